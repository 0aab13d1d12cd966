//! The chart of a comparison: a bar for the time of each reader.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::Result;
use crate::drawing::{Area, Drawn, LINE_HEIGHT, WIDTH, draw_text, font, wrapped};
use crate::medians::{self, Medians};
use crate::readers::{Items, READERS};
use crate::record::{Line, Record};

/// Distance between the tops of two bars, and the height of a bar.
const ROW_HEIGHT: i32 = 24;
const BAR_HEIGHT: i32 = 15;

const TITLE_HEIGHT: i32 = 32;

/// Margins: left of the bars for the names, and right of the longest bar for its time.
const LEFT: i32 = 364;
const RIGHT: i32 = 70;

/// Colours of carwalk, of other readers, and of readers that return blocks.
const OURS: RGBColor = RGBColor(0x00, 0x72, 0xb2);
const OTHERS: RGBColor = RGBColor(0xd5, 0x5e, 0x00);
const YARDSTICK: RGBColor = RGBColor(0x99, 0x99, 0x99);

/// Draws the times of the first file of a record as SVG. The result depends only on the record.
///
/// # Errors
///
/// If the record has no timed run.
pub fn svg(record: &Record) -> Result<String> {
    let file = *medians::files(record).first().ok_or("nothing was timed")?;
    let rows: Vec<_> =
        READERS.iter().filter_map(|reader| Medians::of(record, file, reader)).collect();
    let longest = rows.iter().map(|row| row.seconds).fold(0.0, f64::max);
    let title = format!("Seconds to read {} ({} MB)", file.file, file.file_bytes / 1_000_000);
    let below = wrapped(&machines(record));
    let bars = TITLE_HEIGHT + ROW_HEIGHT * rows.len() as i32;
    let height = bars + (below.len() as i32 + 1) * LINE_HEIGHT;
    let mut text = String::new();
    let root = SVGBackend::with_string(&mut text, (WIDTH, height as u32)).into_drawing_area();
    root.fill(&WHITE)?;
    root.draw(&Text::new(title, (8, 8), font(14, FontStyle::Bold)))?;
    for (row, number) in rows.iter().zip(0..) {
        draw_bar(&root, row, TITLE_HEIGHT + number * ROW_HEIGHT, row.seconds / longest)?;
    }
    draw_text(&root, &below, bars + 8)?;
    root.present()?;
    drop(root);
    Ok(text)
}

/// Draws the name, the bar and the time of a reader. `share` is the time divided by the longest
/// time.
fn draw_bar(area: &Area<'_>, row: &Medians, top: i32, share: f64) -> Drawn {
    let (middle, bottom) = (top + BAR_HEIGHT / 2, top + BAR_HEIGHT);
    let end = LEFT + (f64::from(WIDTH as i32 - LEFT - RIGHT) * share).round() as i32;
    let name = font(12, FontStyle::Normal).pos(Pos::new(HPos::Right, VPos::Center));
    area.draw(&Text::new(row.reader.title, (LEFT - 8, middle), name))?;
    area.draw(&Rectangle::new([(LEFT, top), (end.max(LEFT + 1), bottom)], colour(row).filled()))?;
    let time = font(12, FontStyle::Normal).pos(Pos::new(HPos::Left, VPos::Center));
    area.draw(&Text::new(format!("{:.2}", row.seconds), (end + 6, middle), time))
}

fn colour(row: &Medians) -> RGBColor {
    match row.reader.items {
        Items::Blocks => YARDSTICK,
        Items::Records | Items::Entries if row.reader.title.starts_with("carwalk") => OURS,
        Items::Records | Items::Entries => OTHERS,
    }
}

/// Returns the lines below the bars: the meaning of the colours, and the machines of the record.
fn machines(record: &Record) -> Vec<String> {
    let machines = record.lines.iter().filter_map(|line| match line {
        Line::Setting(setting) => Some(setting.machine.to_string()),
        Line::Run(_) | Line::LeftOut(_) => None,
    });
    let colours = "Blue: carwalk. Orange: other readers. Grey: only framing or hashing, without \
                   the tree. Medians; each run is a process of its own.";
    [colours.to_owned()].into_iter().chain(machines).collect()
}
