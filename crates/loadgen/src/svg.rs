//! How is a picture written as SVG?
//!
//! Labels claim the room that they take, so that a test can tell whether any two are in each other's
//! way.

use std::fmt::Write;

/// The typeface of all text: whatever the viewer reads best.
const FONT: &str = "Inter, 'Helvetica Neue', Helvetica, Arial, sans-serif";

/// A letter's average width, in ems: generous, since the viewer's typeface is unknown.
const LETTER_EMS: f64 = 0.56;

/// A rectangle of the picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Area {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Area {
    /// Whether two rectangles share any room.
    #[cfg(test)]
    pub(crate) fn overlaps(&self, other: &Area) -> bool {
        self.x < other.x + other.width
            && other.x < self.x + self.width
            && self.y < other.y + other.height
            && other.y < self.y + self.height
    }
}

/// Which end of a text its position is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextStyle {
    pub(crate) size: f64,
    pub(crate) colour: &'static str,
    pub(crate) bold: bool,
    pub(crate) anchor: Anchor,
}

/// A picture that is being drawn.
pub(crate) struct Svg {
    body: String,
    labels: Vec<(Area, String)>,
}

impl Svg {
    /// An empty picture.
    pub(crate) fn new() -> Svg {
        Svg {
            body: String::new(),
            labels: Vec::new(),
        }
    }

    /// Draws a rectangle with rounded corners; the tooltip may be empty.
    pub(crate) fn rect(&mut self, area: Area, radius: f64, fill: &str, tooltip: &str) {
        let Area {
            x,
            y,
            width,
            height,
        } = area;
        self.push(&format!(
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" rx="{radius:.1}" fill="{}">{}</rect>"#,
            escape(fill),
            title(tooltip),
        ));
    }

    /// Draws a straight line; `dashes` may be empty.
    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str, dashes: &str) {
        self.push(&format!(
            r#"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" stroke="{}" stroke-width="1" stroke-dasharray="{}"/>"#,
            from.0, from.1, to.0, to.1, escape(colour), escape(dashes),
        ));
    }

    /// Draws a filled shape through these corners.
    pub(crate) fn shape(&mut self, corners: &[(f64, f64)], fill: &str, tooltip: &str) {
        let mut points = String::new();
        for (x, y) in corners {
            // Writing to a String does not fail.
            let _ = write!(points, "{x:.1},{y:.1} ");
        }
        self.push(&format!(
            r#"<polygon points="{}" fill="{}">{}</polygon>"#,
            points.trim_end(),
            escape(fill),
            title(tooltip),
        ));
    }

    /// Draws a dot.
    pub(crate) fn dot(&mut self, at: (f64, f64), radius: f64, fill: &str, tooltip: &str) {
        self.push(&format!(
            r#"<circle cx="{:.1}" cy="{:.1}" r="{radius:.1}" fill="{}">{}</circle>"#,
            at.0,
            at.1,
            escape(fill),
            title(tooltip),
        ));
    }

    /// Writes text with its baseline at a position, and claims its room.
    pub(crate) fn text(&mut self, at: (f64, f64), style: TextStyle, text: &str) {
        self.labels
            .push((text_area(at, style, text), text.to_owned()));
        let anchor = match style.anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        self.push(&format!(
            r#"<text x="{:.1}" y="{:.1}" font-size="{:.0}" font-weight="{}" fill="{}" text-anchor="{anchor}">{}</text>"#,
            at.0,
            at.1,
            style.size,
            if style.bold { 600 } else { 400 },
            escape(style.colour),
            escape(text),
        ));
    }

    /// The room that labels have claimed, with their text.
    #[cfg(test)]
    pub(crate) fn labels(&self) -> &[(Area, String)] {
        &self.labels
    }

    /// The whole document; `definitions` are patterns that fills refer to.
    pub(crate) fn document(
        &self,
        width: f64,
        height: f64,
        name: &str,
        definitions: &str,
    ) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"{FONT}\" role=\"img\">\n\
             <title>{}</title>\n<defs>{definitions}</defs>\n{}</svg>\n",
            escape(name),
            self.body,
        )
    }

    fn push(&mut self, element: &str) {
        self.body.push_str(element);
        self.body.push('\n');
    }
}

/// How wide a text is, by estimate.
pub(crate) fn text_width(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * LETTER_EMS
}

/// The room that a text takes.
pub(crate) fn text_area(at: (f64, f64), style: TextStyle, text: &str) -> Area {
    let width = text_width(text, style.size);
    let x = match style.anchor {
        Anchor::Start => at.0,
        Anchor::Middle => at.0 - width / 2.0,
        Anchor::End => at.0 - width,
    };
    Area {
        x,
        y: at.1 - style.size * 0.8,
        width,
        height: style.size,
    }
}

fn title(tooltip: &str) -> String {
    if tooltip.is_empty() {
        String::new()
    } else {
        format!("<title>{}</title>", escape(tooltip))
    }
}

/// Makes text harmless in XML; characters that XML 1.0 cannot hold are left out.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => escaped.push(' '),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Asserts that every element is closed in order and every text is escaped.
    pub(crate) fn assert_well_formed(document: &str) {
        let mut open: Vec<&str> = Vec::new();
        let mut rest = document;
        while let Some(start) = rest.find('<') {
            assert!(
                !rest[..start].contains('>'),
                "a stray > before {}",
                &rest[start..]
            );
            for entity in rest[..start].split('&').skip(1) {
                assert!(
                    ["amp;", "lt;", "gt;", "quot;"]
                        .iter()
                        .any(|known| entity.starts_with(known)),
                    "{entity}"
                );
            }
            let end = start + rest[start..].find('>').expect("a tag that ends");
            let tag = &rest[start + 1..end];
            assert!(
                !tag.contains('<') && tag.matches('"').count().is_multiple_of(2),
                "{tag}"
            );
            let name = tag
                .trim_start_matches('/')
                .split([' ', '/'])
                .next()
                .unwrap();
            if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name));
            } else if !tag.ends_with('/') && !tag.starts_with('?') {
                open.push(name);
            }
            rest = &rest[end + 1..];
        }
        assert!(open.is_empty() && rest.trim().is_empty());
    }

    #[test]
    fn hostile_names_leave_the_document_well_formed() {
        let hostile = "<script>&\"'\u{0}]]>";
        let style = TextStyle {
            size: 12.0,
            colour: "#000",
            bold: true,
            anchor: Anchor::Middle,
        };
        let area = Area {
            x: 0.0,
            y: 0.0,
            width: 5.0,
            height: 5.0,
        };
        let mut svg = Svg::new();
        svg.text((1.0, 1.0), style, hostile);
        svg.rect(area, 1.0, hostile, hostile);
        svg.shape(&[(0.0, 0.0), (1.0, 1.0)], hostile, hostile);
        svg.dot((0.0, 0.0), 2.0, hostile, hostile);
        svg.line((0.0, 0.0), (1.0, 1.0), hostile, "");
        let document = svg.document(10.0, 10.0, hostile, "");
        assert_well_formed(&document);
        assert!(!document.contains("<script") && !document.contains('\u{0}'));
    }

    #[test]
    fn areas_that_only_touch_do_not_overlap() {
        let left = Area {
            x: 0.0,
            y: 0.0,
            width: 5.0,
            height: 5.0,
        };
        assert!(!left.overlaps(&Area { x: 5.0, ..left }));
        assert!(left.overlaps(&Area { x: 4.9, ..left }));
    }
}
