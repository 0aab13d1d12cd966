//! Width, font and text that all charts share.

use std::io;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::Result;

pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(crate) type Drawn = Result<(), DrawingAreaErrorKind<io::Error>>;

pub(crate) const WIDTH: u32 = 800;

/// Height of a line of text.
pub(crate) const LINE_HEIGHT: i32 = 16;

/// About how many characters fit into a line.
const LINE_LEN: usize = 130;

pub(crate) const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);

/// Draws lines of small text, the first at `top`.
pub(crate) fn draw_text(area: &Area<'_>, lines: &[String], top: i32) -> Drawn {
    for (line, number) in lines.iter().zip(0..) {
        let at = (8, top + number * LINE_HEIGHT);
        area.draw(&Text::new(line.as_str(), at, font(11, FontStyle::Normal)))?;
    }
    Ok(())
}

/// Wraps texts into lines.
pub(crate) fn wrapped(texts: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    for text in texts {
        let mut line = String::new();
        for word in text.split_whitespace() {
            if line.len() + word.len() >= LINE_LEN {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

/// Returns the system's sans-serif font in a size in pixels.
pub(crate) fn font(pixels: i32, style: FontStyle) -> TextStyle<'static> {
    // The backend divides the size by 1.24.
    ("sans-serif", f64::from(pixels) * 1.24, style).into_font().color(&INK)
}
