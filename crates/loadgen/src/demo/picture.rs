//! What did the demo look like? Who spoke and who heard whom, drawn over time.
//!
//! A pure function from facts to SVG.

use super::captions::{self, CAPTION_SIZE, Caption};
use crate::svg::{Anchor, Area, Svg, TextStyle, text_width};

/// Everything that the picture shows. Times are seconds since the demo began.
#[derive(Debug, Clone, Default)]
pub(super) struct Picture {
    pub(super) title: String,
    pub(super) subtitle: String,
    pub(super) duration_secs: f64,
    /// What happened, in order of time.
    pub(super) moments: Vec<Moment>,
    /// The conference's status from each moment on.
    pub(super) statuses: Vec<Moment>,
    pub(super) lanes: Vec<Lane>,
    pub(super) webhooks: Vec<WebhookRow>,
    /// Names of sounds and their colours.
    pub(super) legend: Vec<(String, Fill)>,
}

/// Something that happened at a time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Moment {
    pub(super) at: f64,
    pub(super) text: String,
}

/// From when to when.
pub(super) type Span = (f64, f64);

/// One caller.
#[derive(Debug, Clone, Default)]
pub(super) struct Lane {
    pub(super) name: String,
    pub(super) note: String,
    pub(super) in_call: Option<Span>,
    pub(super) rows: Vec<Row>,
    pub(super) beeps: Vec<(f64, BeepMark)>,
    /// Times when a privilege was withdrawn, with its name.
    pub(super) withdrawn: Vec<(Span, String)>,
}

/// One line of bars in a lane.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) label: String,
    pub(super) fill: Fill,
    pub(super) bars: Vec<Span>,
}

/// How a sound is painted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fill {
    Colour(&'static str),
    /// A light tint of a colour, for what is said rather than heard.
    Tint(&'static str),
    /// Grey stripes.
    Music,
}

/// Which beep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BeepMark {
    Entry,
    Exit,
}

/// The webhooks of one kind.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct WebhookRow {
    pub(super) label: String,
    pub(super) ticks: Vec<Moment>,
}

const WIDTH: f64 = 1_280.0;
const PLOT_LEFT: f64 = 190.0;
const PLOT_RIGHT: f64 = WIDTH - 36.0;
const ROW_HEIGHT: f64 = 15.0;
const BAR_HEIGHT: f64 = 11.0;
const CAPTION_HEIGHT: f64 = 16.0;
const LANE_GAP: f64 = 12.0;

const INK: &str = "#1f2937";
const FAINT_INK: &str = "#6b7280";
const GRID: &str = "#e5e7eb";
const LANE_BACKGROUND: &str = "#f8fafc";
const CALL_BACKGROUND: &str = "#eef2f7";
const WITHDRAWN: &str = "#fecdd3";
const WITHDRAWN_INK: &str = "#9f1239";
const ENTRY_MARK: &str = "#111827";
const EXIT_MARK: &str = "#b91c1c";
const WEBHOOK_MARK: &str = "#4f46e5";

const DEFINITIONS: &str = "<pattern id=\"music\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" \
     patternTransform=\"rotate(45)\"><rect width=\"6\" height=\"6\" fill=\"#d1d5db\"/>\
     <rect width=\"3\" height=\"6\" fill=\"#9ca3af\"/></pattern>";

/// Draws the picture as an SVG document.
pub(super) fn draw(picture: &Picture) -> String {
    let (svg, height) = paint(picture);
    svg.document(WIDTH, height, &picture.title, DEFINITIONS)
}

/// Paints from top to bottom and says how high the picture became.
fn paint(picture: &Picture) -> (Svg, f64) {
    let mut page = Page {
        svg: Svg::new(),
        duration_secs: picture.duration_secs.max(1.0),
        y: 0.0,
    };
    let moments = picture.moments.iter();
    let moments: Vec<(f64, &str)> = moments
        .map(|moment| (page.x(moment.at), moment.text.as_str()))
        .collect();
    let (captions, caption_rows) = captions::place(&moments, WIDTH - 8.0);
    let height = page_height(picture, caption_rows);
    page.svg.rect(
        Area {
            x: 0.0,
            y: 0.0,
            width: WIDTH,
            height,
        },
        0.0,
        "#ffffff",
        "",
    );
    page.heading(picture);
    let plot_top = page.y;
    page.y += caption_rows as f64 * CAPTION_HEIGHT + 8.0;
    let lanes_top = page.y;
    let axis_y = height - 64.0;
    page.lane_backgrounds(picture, lanes_top);
    page.grid(lanes_top, axis_y);
    page.moments(&captions, plot_top, axis_y);
    page.statuses(&picture.statuses);
    for lane in &picture.lanes {
        page.lane(lane);
    }
    page.webhooks(&picture.webhooks);
    page.legend(&picture.legend, height - 20.0);
    (page.svg, height)
}

fn page_height(picture: &Picture, caption_rows: usize) -> f64 {
    let lanes: f64 = picture
        .lanes
        .iter()
        .map(|lane| lane_height(lane) + LANE_GAP)
        .sum();
    HEADING_HEIGHT
        + caption_rows as f64 * CAPTION_HEIGHT
        + 8.0
        + STATUS_HEIGHT
        + LANE_GAP
        + lanes
        + 18.0
        + picture.webhooks.len() as f64 * ROW_HEIGHT
        + 76.0
}

const HEADING_HEIGHT: f64 = 84.0;
const STATUS_HEIGHT: f64 = 26.0;
const LANE_HEAD: f64 = 20.0;

fn lane_height(lane: &Lane) -> f64 {
    LANE_HEAD + lane.rows.len() as f64 * ROW_HEIGHT + 6.0
}

/// The picture so far, and how far down it reaches.
struct Page {
    svg: Svg,
    duration_secs: f64,
    y: f64,
}

impl Page {
    fn x(&self, at: f64) -> f64 {
        PLOT_LEFT + (PLOT_RIGHT - PLOT_LEFT) * (at / self.duration_secs).clamp(0.0, 1.0)
    }

    fn span(&self, span: Span, y: f64, height: f64) -> Area {
        let (from, to) = (self.x(span.0), self.x(span.1));
        Area {
            x: from,
            y,
            width: (to - from).max(1.0),
            height,
        }
    }

    fn heading(&mut self, picture: &Picture) {
        let style = |size, colour, bold| TextStyle {
            size,
            colour,
            bold,
            anchor: Anchor::Start,
        };
        self.svg
            .text((28.0, 42.0), style(22.0, INK, true), &picture.title);
        self.svg.text(
            (28.0, 64.0),
            style(13.0, FAINT_INK, false),
            &picture.subtitle,
        );
        self.y = HEADING_HEIGHT;
    }

    fn lane_backgrounds(&mut self, picture: &Picture, lanes_top: f64) {
        let mut y = lanes_top + STATUS_HEIGHT + LANE_GAP;
        for lane in &picture.lanes {
            let area = Area {
                x: 20.0,
                y,
                width: PLOT_RIGHT - 12.0,
                height: lane_height(lane),
            };
            self.svg.rect(area, 8.0, LANE_BACKGROUND, "");
            if let Some(in_call) = lane.in_call {
                let area = self.span(in_call, y + 2.0, lane_height(lane) - 4.0);
                self.svg.rect(
                    area,
                    4.0,
                    CALL_BACKGROUND,
                    &format!("{} is in a call", lane.name),
                );
            }
            for (span, _) in &lane.withdrawn {
                let area = self.span(*span, y + 2.0, lane_height(lane) - 4.0);
                self.svg.rect(area, 2.0, WITHDRAWN, "");
            }
            y += lane_height(lane) + LANE_GAP;
        }
    }

    /// Vertical lines every five seconds, and the axis below them.
    fn grid(&mut self, top: f64, axis_y: f64) {
        let style = TextStyle {
            size: 11.0,
            colour: FAINT_INK,
            bold: false,
            anchor: Anchor::Middle,
        };
        let mut at = 0.0;
        while at <= self.duration_secs {
            let x = self.x(at);
            self.svg.line((x, top), (x, axis_y), GRID, "");
            self.svg
                .text((x, axis_y + 16.0), style, &format!("{at:.0} s"));
            at += 5.0;
        }
        self.svg
            .line((PLOT_LEFT, axis_y), (PLOT_RIGHT, axis_y), FAINT_INK, "");
    }

    fn moments(&mut self, captions: &[Caption], top: f64, bottom: f64) {
        for caption in captions {
            let y = top + (caption.row + 1) as f64 * CAPTION_HEIGHT - 4.0;
            let x = caption.line_x;
            self.svg
                .line((x, y - CAPTION_SIZE), (x, bottom), "#94a3b8", "2 3");
            let style = TextStyle {
                size: CAPTION_SIZE,
                colour: INK,
                bold: false,
                anchor: caption.anchor,
            };
            self.svg.text((caption.x, y), style, &caption.text);
        }
    }

    fn statuses(&mut self, statuses: &[Moment]) {
        self.gutter_label("Conference", true, STATUS_HEIGHT);
        for (at, status) in statuses.iter().enumerate() {
            let until = statuses
                .get(at + 1)
                .map_or(self.duration_secs, |next| next.at);
            let (fill, ink) = status_colours(&status.text);
            let area = self.span((status.at, until), self.y, STATUS_HEIGHT);
            let tooltip = format!("{} from {:.2} s", status.text, status.at);
            self.svg.rect(area, 4.0, fill, &tooltip);
            let style = TextStyle {
                size: 12.0,
                colour: ink,
                bold: true,
                anchor: Anchor::Middle,
            };
            if text_width(&status.text, style.size) + 8.0 < area.width {
                let middle = (
                    area.x + area.width / 2.0,
                    self.y + STATUS_HEIGHT / 2.0 + 4.0,
                );
                self.svg.text(middle, style, &status.text);
            }
        }
        self.y += STATUS_HEIGHT + LANE_GAP;
    }

    fn lane(&mut self, lane: &Lane) {
        let name = TextStyle {
            size: 14.0,
            colour: INK,
            bold: true,
            anchor: Anchor::Start,
        };
        self.svg.text((32.0, self.y + 15.0), name, &lane.name);
        let note = TextStyle {
            size: 11.0,
            colour: FAINT_INK,
            bold: false,
            anchor: Anchor::End,
        };
        self.svg
            .text((PLOT_LEFT - 10.0, self.y + 15.0), note, &lane.note);
        for (span, what) in &lane.withdrawn {
            let style = TextStyle {
                size: 11.0,
                colour: WITHDRAWN_INK,
                bold: true,
                anchor: Anchor::Start,
            };
            if text_width(what, style.size) + 6.0 < self.x(span.1) - self.x(span.0) {
                self.svg
                    .text((self.x(span.0) + 4.0, self.y + 14.0), style, what);
            }
        }
        for (at, beep) in &lane.beeps {
            self.beep(
                (self.x(*at), self.y + 10.0),
                *beep,
                &format!("at {at:.2} s"),
            );
        }
        self.y += LANE_HEAD;
        for row in &lane.rows {
            self.gutter_label(&row.label, false, ROW_HEIGHT);
            let middle = self.y + ROW_HEIGHT / 2.0;
            self.svg
                .line((PLOT_LEFT, middle), (PLOT_RIGHT, middle), "#dbe1e8", "1 3");
            for bar in &row.bars {
                let area = self.span(*bar, self.y + (ROW_HEIGHT - BAR_HEIGHT) / 2.0, BAR_HEIGHT);
                let tooltip = format!(
                    "{}: {} {:.1} to {:.1} s",
                    lane.name, row.label, bar.0, bar.1
                );
                self.bar(area, row.fill, &tooltip);
            }
            self.y += ROW_HEIGHT;
        }
        self.y += 6.0 + LANE_GAP;
    }

    fn bar(&mut self, area: Area, fill: Fill, tooltip: &str) {
        match fill {
            Fill::Colour(colour) => self.svg.rect(area, 3.0, colour, tooltip),
            Fill::Music => self.svg.rect(area, 3.0, "url(#music)", tooltip),
            Fill::Tint(colour) => {
                self.svg.rect(area, 3.0, colour, tooltip);
                let inside = Area {
                    x: area.x + 1.2,
                    y: area.y + 1.2,
                    width: (area.width - 2.4).max(0.0),
                    height: area.height - 2.4,
                };
                self.svg.rect(inside, 2.0, "#ffffff", tooltip);
            }
        }
    }

    fn beep(&mut self, (x, y): (f64, f64), beep: BeepMark, tooltip: &str) {
        let (up, colour, name) = match beep {
            BeepMark::Entry => (-1.0, ENTRY_MARK, "entry beep"),
            BeepMark::Exit => (1.0, EXIT_MARK, "exit beep"),
        };
        let corners = [
            (x - 5.0, y - 4.0 * up),
            (x + 5.0, y - 4.0 * up),
            (x, y + 5.0 * up),
        ];
        self.svg
            .shape(&corners, colour, &format!("{name} {tooltip}"));
    }

    fn webhooks(&mut self, rows: &[WebhookRow]) {
        let style = TextStyle {
            size: 12.0,
            colour: INK,
            bold: true,
            anchor: Anchor::Start,
        };
        self.svg.text((32.0, self.y + 12.0), style, "Webhooks");
        self.y += 18.0;
        for row in rows {
            self.gutter_label(&row.label, false, ROW_HEIGHT);
            let middle = self.y + ROW_HEIGHT / 2.0;
            self.svg
                .line((PLOT_LEFT, middle), (PLOT_RIGHT, middle), GRID, "");
            for tick in &row.ticks {
                let x = self.x(tick.at);
                let tooltip = format!("{} {} at {:.3} s", row.label, tick.text, tick.at);
                self.svg.dot((x, middle), 3.5, WEBHOOK_MARK, tooltip.trim());
            }
            self.y += ROW_HEIGHT;
        }
    }

    fn legend(&mut self, sounds: &[(String, Fill)], baseline: f64) {
        let style = TextStyle {
            size: 12.0,
            colour: INK,
            bold: false,
            anchor: Anchor::Start,
        };
        let mut x = PLOT_LEFT;
        let swatch = |x: f64| Area {
            x,
            y: baseline - 10.0,
            width: 22.0,
            height: BAR_HEIGHT,
        };
        for (name, fill) in sounds {
            self.bar(swatch(x), *fill, "");
            self.svg.text((x + 28.0, baseline), style, name);
            x += 28.0 + text_width(name, style.size) + 18.0;
        }
        for (beep, name) in [
            (BeepMark::Entry, "entry beep"),
            (BeepMark::Exit, "exit beep"),
        ] {
            self.beep((x + 5.0, baseline - 4.0), beep, "");
            self.svg.text((x + 16.0, baseline), style, name);
            x += 16.0 + text_width(name, style.size) + 18.0;
        }
        self.svg.rect(swatch(x), 2.0, WITHDRAWN, "");
        self.svg
            .text((x + 28.0, baseline), style, "privilege withdrawn");
        x += 28.0 + text_width("privilege withdrawn", style.size) + 18.0;
        self.svg
            .dot((x + 4.0, baseline - 4.0), 3.5, WEBHOOK_MARK, "");
        self.svg.text((x + 14.0, baseline), style, "webhook");
    }

    fn gutter_label(&mut self, label: &str, bold: bool, height: f64) {
        let size = if bold { 14.0 } else { 11.0 };
        let colour = if bold { INK } else { FAINT_INK };
        let anchor = if bold { Anchor::Start } else { Anchor::End };
        let x = if bold { 32.0 } else { PLOT_LEFT - 10.0 };
        let baseline = self.y + height / 2.0 + size * 0.35;
        self.svg.text(
            (x, baseline),
            TextStyle {
                size,
                colour,
                bold,
                anchor,
            },
            label,
        );
    }
}

fn status_colours(status: &str) -> (&'static str, &'static str) {
    match status {
        "populated" => ("#fde68a", "#78350f"),
        "inProgress" => ("#a7f3d0", "#064e3b"),
        "terminated" => ("#374151", "#ffffff"),
        _ => ("#e5e7eb", "#374151"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::svg::tests::assert_well_formed;

    #[test]
    fn the_picture_is_well_formed_and_shows_everybody() {
        let document = draw(&busy_picture());
        assert_well_formed(&document);
        for name in [
            "Ada",
            "Ben &lt;&amp;",
            "populated",
            "inProgress",
            "conferenceStatus",
            "muted",
        ] {
            assert!(document.contains(name), "{name} is missing");
        }
    }

    #[test]
    fn no_label_is_in_anothers_way_or_off_the_page() {
        let (svg, height) = paint(&busy_picture());
        let labels = svg.labels();
        assert!(labels.len() > 40);
        for (at, (area, text)) in labels.iter().enumerate() {
            assert!(
                area.x >= 0.0 && area.x + area.width <= WIDTH,
                "{text} is off the page"
            );
            assert!(
                area.y >= 0.0 && area.y + area.height <= height,
                "{text} is off the page"
            );
            for (other, other_text) in &labels[at + 1..] {
                assert!(!area.overlaps(other), "{text:?} and {other_text:?} overlap");
            }
        }
    }

    #[test]
    fn a_picture_of_nothing_is_still_a_picture() {
        assert_well_formed(&draw(&Picture::default()));
    }

    /// More than a real demo shows: crowded moments, long names, short statuses.
    fn busy_picture() -> Picture {
        let moment = |at: f64, text: &str| Moment {
            at,
            text: text.to_owned(),
        };
        let lane = |name: &str| Lane {
            name: name.to_owned(),
            note: "PCMU".to_owned(),
            in_call: Some((2.0, 34.0)),
            rows: vec![
                Row {
                    label: "speaks".into(),
                    fill: Fill::Tint("#2563eb"),
                    bars: vec![(2.0, 30.0)],
                },
                Row {
                    label: "hears wait music".into(),
                    fill: Fill::Music,
                    bars: vec![(2.2, 6.0)],
                },
                Row {
                    label: "hears Ben".into(),
                    fill: Fill::Colour("#d97706"),
                    bars: vec![(6.0, 9.0), (9.5, 33.0)],
                },
            ],
            beeps: vec![(2.5, BeepMark::Entry), (30.0, BeepMark::Exit)],
            withdrawn: vec![
                ((12.0, 16.0), "muted".into()),
                ((20.0, 20.1), "listen off".into()),
            ],
        };
        Picture {
            title: "One conference, heard by its callers".into(),
            subtitle: "36.2 s, every expectation held".into(),
            duration_secs: 36.2,
            moments: (0..14)
                .map(|n| moment(f64::from(n) * 2.7, "Somebody joins the conference"))
                .collect(),
            statuses: vec![
                moment(0.4, "empty"),
                moment(2.0, "populated"),
                moment(6.0, "inProgress"),
                moment(35.0, "empty"),
                moment(35.9, "terminated"),
            ],
            lanes: vec![lane("Ada"), lane("Ben <&"), lane("Cleo")],
            webhooks: [
                "inboundCall",
                "conferenceStatus",
                "addToConferenceNotification",
                "conferenceRecordingStatus",
            ]
            .map(|label| WebhookRow {
                label: label.into(),
                ticks: vec![moment(2.0, "populated"), moment(2.01, "x")],
            })
            .to_vec(),
            legend: vec![
                ("Ada".into(), Fill::Colour("#2563eb")),
                ("wait music".into(), Fill::Music),
            ],
        }
    }
}
