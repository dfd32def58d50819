//! Palette: the colours of charts, by day and by night.

use plotters::style::RGBColor;

/// The ground.
pub(super) const PAPER: RGBColor = RGBColor(0xff, 0xff, 0xff);
/// Text.
pub(super) const INK: RGBColor = RGBColor(0x1b, 0x21, 0x2b);
/// Numbers and axes.
pub(super) const SOFT: RGBColor = RGBColor(0x5b, 0x65, 0x73);
/// Lines behind everything.
pub(super) const GRID: RGBColor = RGBColor(0xe3, 0xe7, 0xec);

/// Colours of series: by day, and what becomes of each by night. To the eyes of those who do not see
/// red, green or blue they are 17 or more apart, in units of CIELAB.
const HUES: [(RGBColor, &str); 6] = [
    (RGBColor(0x1f, 0x63, 0xd6), "#6FA8FF"),
    (RGBColor(0xc8, 0x5a, 0x0b), "#FFA65C"),
    (RGBColor(0x0b, 0x80, 0x5d), "#4FD1A5"),
    (RGBColor(0x6b, 0x72, 0x80), "#9AA3B2"),
    (RGBColor(0x3c, 0x28, 0xc8), "#F0DC3C"),
    (RGBColor(0x3c, 0x28, 0x78), "#F0F0F0"),
];

const GROUND: [(RGBColor, &str); 4] = [
    (PAPER, "#12161D"),
    (INK, "#E8ECF2"),
    (SOFT, "#A5AFBD"),
    (GRID, "#2B333F"),
];

/// The colour of a series.
pub(super) fn hue(number: usize) -> RGBColor {
    HUES[number % HUES.len()].0
}

/// Rules that give a picture its colours for the night.
pub(super) fn style_sheet() -> String {
    let rules = GROUND.iter().chain(&HUES).map(|(day, night)| {
        let day = format!("#{:02X}{:02X}{:02X}", day.0, day.1, day.2);
        format!("[fill=\"{day}\"]{{fill:{night}}}[stroke=\"{day}\"]{{stroke:{night}}}")
    });
    let rules: String = rules.collect();
    format!("<style>@media (prefers-color-scheme:dark){{{rules}}}</style>")
}

/// Text that may stand between tags and in attributes.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
