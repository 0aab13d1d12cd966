//! The chart of a [`Growth`]: two panels with logarithmic axes, and a line for each reader.

use plotters::chart::ChartContext;
use plotters::coord::combinators::WithKeyPoints;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::Result;
use crate::drawing::{Area, Drawn, INK, LINE_HEIGHT, WIDTH, draw_text, font, wrapped};
use crate::growth::{Growth, Point};

type Axis = WithKeyPoints<LogCoord<f64>>;
type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<Axis, Axis>>;

const PANEL_HEIGHT: u32 = 380;

/// Margins: left of each panel for the numbers, and right of it for the names of its lines.
const LEFT: i32 = 54;
const RIGHT: i32 = 184;

const GRID: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);
const FAINT: RGBColor = RGBColor(0x99, 0x99, 0x99);

/// Colours of the lines. People with colour blindness can tell them apart.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xe6, 0x9f, 0x00),
];

const HOW: &str = "Each point is the median of runs that read a file once, each in a process of \
                   its own. Starting the process is not in the time; the memory that any process \
                   has is in the memory.";

/// A panel, which shows a value of each point over its number of records.
struct Panel {
    title: &'static str,
    value: fn(&Point) -> f64,
}

const PANELS: [Panel; 2] = [
    Panel { title: "Time per record, microseconds", value: |point| point.microseconds_per_record },
    Panel {
        title: "Peak anonymous memory per record, bytes",
        value: |point| point.bytes_per_record,
    },
];

/// Draws the chart as SVG. The result depends only on `growth`.
///
/// # Errors
///
/// If there are no readers, more readers than colours, or values that a logarithmic axis cannot
/// show.
pub fn svg(growth: &Growth) -> Result<String> {
    let lines: Vec<_> = growth.points.chunk_by(|one, other| one.reader == other.reader).collect();
    if lines.is_empty() || lines.len() > COLOURS.len() {
        return Err(
            format!("{} readers: from 1 to {} can be drawn", lines.len(), COLOURS.len()).into()
        );
    }
    let drawable = |point: &Point| {
        PANELS.iter().all(|panel| (panel.value)(point).is_normal()) && point.records > 0
    };
    if let Some(point) = growth.points.iter().find(|point| !drawable(point)) {
        return Err(format!("not above 0, and so not on a logarithmic axis: {point:?}").into());
    }
    let notes = growth.notes.iter().filter(|note| !note.starts_with("command: "));
    let below = wrapped(&[HOW.to_owned()].iter().chain(notes).cloned().collect::<Vec<_>>());
    let panels = PANEL_HEIGHT * PANELS.len() as u32;
    let size = (WIDTH, panels + (below.len() as u32 + 1) * LINE_HEIGHT as u32);
    let mut text = String::new();
    let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
    root.fill(&WHITE)?;
    let (above, foot) = root.split_vertically(panels);
    for (area, panel) in above.split_evenly((PANELS.len(), 1)).iter().zip(&PANELS) {
        draw_panel(area, panel, &lines)?;
    }
    draw_text(&foot, &below, 10)?;
    root.present()?;
    drop((foot, above, root));
    Ok(text)
}

fn draw_panel(area: &Area<'_>, panel: &Panel, lines: &[&[Point]]) -> Drawn {
    let points = || lines.iter().copied().flatten();
    let (x, y) =
        (ticks(points().map(records), &[1.0]), ticks(points().map(panel.value), &[1.0, 2.0, 5.0]));
    area.draw(&Text::new(panel.title, (8, 14), font(14, FontStyle::Bold)))?;
    let mut chart = ChartBuilder::on(area)
        .margin_top(40)
        .margin_right(RIGHT)
        .y_label_area_size(LEFT)
        .x_label_area_size(44)
        .build_cartesian_2d(axis(x), axis(y))?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(INK)
        .label_style(font(12, FontStyle::Normal))
        .x_label_formatter(&grouped)
        .y_label_formatter(&grouped)
        .x_desc("records")
        .draw()?;
    draw_lines(&mut chart, panel, lines)?;
    draw_names(area, &chart, panel, lines)
}

fn draw_lines(chart: &mut Chart<'_>, panel: &Panel, lines: &[&[Point]]) -> Drawn {
    for (points, colour) in lines.iter().zip(COLOURS) {
        let at: Vec<_> =
            points.iter().map(|point| (records(point), (panel.value)(point))).collect();
        let style = colour.stroke_width(2);
        if points.iter().any(is_dashed) {
            chart.draw_series(DashedLineSeries::new(at.clone(), 6, 4, style))?;
        } else {
            chart.draw_series(LineSeries::new(at.clone(), style))?;
        }
        chart.draw_series(at.into_iter().map(|at| Circle::new(at, 3, colour.filled())))?;
    }
    Ok(())
}

/// Returns whether the line of a reader is dashed: its memory is bounded by a file.
fn is_dashed(point: &Point) -> bool {
    point.reader.ends_with("-spilled")
}

/// Writes the name of each line beside the end of the line, after a dash in its colour. A thin grey
/// line connects the dash with the end.
fn draw_names(area: &Area<'_>, chart: &Chart<'_>, panel: &Panel, lines: &[&[Point]]) -> Drawn {
    let at = |point: &Point| chart.backend_coord(&(records(point), (panel.value)(point)));
    let mut ends: Vec<_> = lines
        .iter()
        .zip(COLOURS)
        .filter_map(|(line, colour)| Some((line.last()?, colour)))
        .collect();
    ends.sort_by_key(|(end, _)| at(end).1);
    let (across, down) = chart.plotting_area().get_pixel_range();
    let heights =
        spread(&ends.iter().map(|(end, _)| at(end).1).collect::<Vec<_>>(), LINE_HEIGHT, down.end);
    let top = area.get_pixel_range().1.start;
    for ((end, colour), height) in ends.iter().zip(heights) {
        let (x, y) = at(end);
        let (across, down) = (across.end + 10, height - top);
        area.draw(&PathElement::new([(x, y - top), (across, down)], FAINT))?;
        area.draw(&PathElement::new(
            [(across, down), (across + 10, down)],
            colour.stroke_width(3),
        ))?;
        let beside = font(12, FontStyle::Normal).pos(Pos::new(HPos::Left, VPos::Center));
        area.draw(&Text::new(end.reader.as_str(), (across + 15, down), beside))?;
    }
    Ok(())
}

/// Moves ascending heights apart, to distances of at least `gap`, and none below `bottom`.
fn spread(wanted: &[i32], gap: i32, bottom: i32) -> Vec<i32> {
    let mut last = i32::MIN;
    let mut heights: Vec<_> = wanted
        .iter()
        .map(|&height| {
            last = height.max(last.saturating_add(gap));
            last
        })
        .collect();
    let mut next = bottom.saturating_add(gap);
    for height in heights.iter_mut().rev() {
        next = (*height).min(next - gap);
        *height = next;
    }
    heights
}

fn records(point: &Point) -> f64 {
    point.records as f64
}

/// Creates an axis from the first tick to the last.
fn axis(ticks: Vec<f64>) -> Axis {
    let (low, high) =
        (ticks.first().copied().unwrap_or(1.0), ticks.last().copied().unwrap_or(10.0));
    (low..high).log_scale().with_key_points(ticks)
}

/// Returns the multiples of powers of ten by `steps`, from the last one that is not above any value
/// to the first one that is not below any.
fn ticks(values: impl Iterator<Item = f64>, steps: &[f64]) -> Vec<f64> {
    let (low, high) = values
        .fold((f64::MAX, 0.0), |(low, high): (f64, f64), value| (low.min(value), high.max(value)));
    let decades = low.log10().floor() as i32 - 1..=high.log10().ceil() as i32 + 1;
    let all: Vec<_> = decades
        .flat_map(|decade| steps.iter().map(move |step| step * 10_f64.powi(decade)))
        .collect();
    let first = all.iter().rposition(|tick| *tick <= low).unwrap_or(0);
    let last = all.iter().position(|tick| *tick >= high && *tick > low).unwrap_or(all.len());
    all.into_iter().take(last + 1).skip(first).collect()
}

/// Formats a number with thousands separators: `10,000`, `0.5`.
fn grouped(number: &f64) -> String {
    let mut text = format!("{}", (number * 1e6).round() / 1e6);
    let mut at = text.find('.').unwrap_or(text.len());
    while at > 3 {
        at -= 3;
        text.insert(at, ',');
    }
    text
}
