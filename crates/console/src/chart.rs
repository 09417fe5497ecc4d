//! Charts as SVG that the server draws: bars over time, shares beside each other, and lines
//! small enough to stand in a text. Each comes with its numbers in words or in a table, so that
//! nothing is told by the picture alone, and bars are links where they lead somewhere.
//!
//! They are drawn in classes (`.bars`, `.spark`, `.share`) and in attributes that the policy of
//! our pages allows; colours are the stylesheet's.

use std::fmt::{self, Display, Write};

use askama::filters::{Html, HtmlSafe, escape};

use crate::format::count;

/// The drawing's own units; the page stretches it to its width.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 120.0;
/// A bar of a value above zero is never thinner: it would pass for none.
const LEAST: f64 = 1.5;

/// One bar of a chart.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    /// What it stands for: `1 Mar 2026`.
    pub(crate) label: String,
    /// What else there is to know of it.
    pub(crate) detail: Option<String>,
    pub(crate) value: u64,
    /// The part of the value that is told apart: failures among events.
    pub(crate) marked: u64,
    /// Where it leads.
    pub(crate) href: Option<String>,
}

/// Bars over time.
#[derive(Clone, Debug)]
pub(crate) struct Bars {
    /// What the chart shows: `Events per day`.
    pub(crate) caption: String,
    /// What the labels are: `Day`.
    pub(crate) label_heading: String,
    /// What is counted: `Events`.
    pub(crate) value_heading: String,
    /// What the marked part is: `Failures`; no column without it.
    pub(crate) marked_heading: Option<String>,
    /// How a value is said beside the picture.
    pub(crate) say: fn(u64) -> String,
    pub(crate) bars: Vec<Bar>,
}

/// HTML that is safe to be put into a page as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drawing(String);

impl Display for Drawing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Drawing {}

impl Bars {
    /// The picture, what it spans, and the same numbers as a table that opens below it.
    pub(crate) fn draw(&self) -> Drawing {
        let mut out = self.picture();
        out.push_str(&self.axis());
        out.push_str(&self.table());
        Drawing(out)
    }

    fn picture(&self) -> String {
        let top = self.bars.iter().map(|bar| bar.value).max().unwrap_or(0).max(1);
        let step = WIDTH / self.bars.len().max(1) as f64;
        // A gap that the eye sees, and none where bars are as thin as gaps.
        let width = if step > 4.0 { step - 1.5 } else { step };
        let mut out = String::new();
        // Who hears the page is told by the table, which has the same numbers and links.
        add(
            &mut out,
            format_args!(
                "<svg class=\"bars\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
                 preserveAspectRatio=\"none\" aria-hidden=\"true\">"
            ),
        );
        for (at, bar) in self.bars.iter().enumerate() {
            let x = at as f64 * step;
            let title = self.title(bar);
            if let Some(href) = &bar.href {
                let href = safe(href);
                add(&mut out, format_args!("<a href=\"{href}\" tabindex=\"-1\">"));
            }
            add(&mut out, format_args!("<g><title>{title}</title>"));
            // What is pointed at is the whole height, or nobody would hit a low bar.
            out.push_str(&rect("reach", x, step, HEIGHT));
            out.push_str(&rect("bar", x, width, height(bar.value, top)));
            out.push_str(&rect("bar marked", x, width, height(bar.marked, top)));
            out.push_str("</g>");
            if bar.href.is_some() {
                out.push_str("</a>");
            }
        }
        out.push_str("</svg>");
        out
    }

    /// Where it begins and ends, and how high the highest bar is.
    fn axis(&self) -> String {
        let Some(first) = self.bars.first() else { return String::new() };
        let mut out = format!("<p class=\"axis\"><span>{}</span>", safe(&first.label));
        // Of several that are as high, the first.
        let most = self.bars.iter().rev().max_by_key(|bar| bar.value);
        if let Some(most) = most.filter(|bar| bar.value > 0) {
            let value = format!("Most: {}, {}", (self.say)(most.value), most.label);
            add(&mut out, format_args!("<span>{}</span>", safe(&value)));
        }
        if let [_, .., last] = self.bars.as_slice() {
            add(&mut out, format_args!("<span>{}</span>", safe(&last.label)));
        }
        out.push_str("</p>");
        out
    }

    fn title(&self, bar: &Bar) -> String {
        let heading = self.value_heading.to_lowercase();
        let mut title = format!("{}: {} {heading}", bar.whole_label(), count(bar.value));
        if let Some(marked) = &self.marked_heading {
            add(&mut title, format_args!(", {} {}", count(bar.marked), marked.to_lowercase()));
        }
        safe(&title)
    }

    fn table(&self) -> String {
        let mut out = String::from("<details class=\"numbers\"><summary>");
        let caption = safe(&self.caption);
        add(&mut out, format_args!("{caption} as a table</summary>"));
        add(
            &mut out,
            format_args!(
                "<div class=\"scroll\" tabindex=\"0\" role=\"region\" \
                 aria-label=\"{caption}\"><table class=\"table\">"
            ),
        );
        let (label, value) = (safe(&self.label_heading), safe(&self.value_heading));
        add(
            &mut out,
            format_args!(
                "<caption>{caption}</caption><thead><tr><th scope=\"col\">{label}</th>\
                 <th scope=\"col\" class=\"num\">{value}</th>"
            ),
        );
        if let Some(marked) = &self.marked_heading {
            let marked = safe(marked);
            add(&mut out, format_args!("<th scope=\"col\" class=\"num\">{marked}</th>"));
        }
        out.push_str("</tr></thead><tbody>");
        for bar in &self.bars {
            let label = link(&bar.whole_label(), bar.href.as_deref());
            let value = count(bar.value);
            add(&mut out, format_args!("<tr><td>{label}</td><td class=\"num\">{value}</td>"));
            if self.marked_heading.is_some() {
                let marked = count(bar.marked);
                add(&mut out, format_args!("<td class=\"num\">{marked}</td>"));
            }
            out.push_str("</tr>");
        }
        out.push_str("</tbody></table></div></details>");
        out
    }
}

impl Bar {
    fn whole_label(&self) -> String {
        match &self.detail {
            Some(detail) => format!("{} ({detail})", self.label),
            None => self.label.clone(),
        }
    }
}

/// A line of values, as high as a line of text. What it shows is told by the text beside it,
/// and by its label to who does not see it.
pub(crate) fn sparkline(values: &[u64], label: &str) -> Drawing {
    let (width, height) = (120.0, 24.0);
    let top = values.iter().copied().max().unwrap_or(0).max(1) as f64;
    let step = width / values.len().saturating_sub(1).max(1) as f64;
    let mut points = String::new();
    for (at, value) in values.iter().enumerate() {
        let (x, y) = (at as f64 * step, height - 1.0 - *value as f64 / top * (height - 2.0));
        add(&mut points, format_args!("{x:.1},{y:.1} "));
    }
    let points = points.trim_end();
    let label = safe(label);
    Drawing(format!(
        "<svg class=\"spark\" viewBox=\"0 0 {width} {height}\" preserveAspectRatio=\"none\" \
         role=\"img\" aria-label=\"{label}\"><polyline points=\"{points}\"/></svg>"
    ))
}

/// A bar as long as the part of the whole. It stands beside the number that it shows, so it is
/// hidden from who hears the page.
pub(crate) fn share(part: u64, whole: u64) -> Drawing {
    let length = if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 };
    let length = if part > 0 { length.clamp(LEAST, 100.0) } else { 0.0 };
    Drawing(format!(
        "<svg class=\"share\" viewBox=\"0 0 100 4\" preserveAspectRatio=\"none\" \
         aria-hidden=\"true\"><rect class=\"rest\" width=\"100\" height=\"4\"/>\
         <rect class=\"part\" width=\"{length:.1}\" height=\"4\"/></svg>"
    ))
}

fn height(value: u64, top: u64) -> f64 {
    if value == 0 { 0.0 } else { (value as f64 / top as f64 * HEIGHT).max(LEAST) }
}

/// A bar that stands on the ground; none of no height.
fn rect(class: &str, x: f64, width: f64, height: f64) -> String {
    if height <= 0.0 {
        return String::new();
    }
    let y = HEIGHT - height;
    format!(
        "<rect class=\"{class}\" x=\"{x:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" \
         height=\"{height:.2}\"/>"
    )
}

fn link(label: &str, href: Option<&str>) -> String {
    let label = safe(label);
    match href {
        Some(href) => format!("<a href=\"{}\">{label}</a>", safe(href)),
        None => label,
    }
}

/// A text that cannot end what it stands in.
fn safe(text: &str) -> String {
    escape(text, Html).map(|escaped| escaped.to_string()).unwrap_or_default()
}

/// Writing to a text does not fail.
fn add(out: &mut String, text: impl Display) {
    let _ = write!(out, "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars(values: &[(u64, u64)]) -> Bars {
        let bar = |(at, (value, marked)): (usize, &(u64, u64))| Bar {
            label: format!("day {at} <b>"),
            detail: (at == 0).then(|| "the first".to_owned()),
            value: *value,
            marked: *marked,
            href: Some(format!("/logs?from={at}&to=\"")),
        };
        Bars {
            caption: "Events per day".to_owned(),
            label_heading: "Day".to_owned(),
            value_heading: "Events".to_owned(),
            marked_heading: Some("Failures".to_owned()),
            say: count,
            bars: values.iter().enumerate().map(bar).collect(),
        }
    }

    #[test]
    fn the_table_has_every_number_of_the_picture() {
        let html = bars(&[(0, 0), (1_000_000, 1), (50, 50)]).draw().to_string();
        assert_eq!(html.matches("<tr>").count(), 4);
        assert!(html.contains("<td class=\"num\">1,000,000</td><td class=\"num\">1</td>"));
        assert_eq!(html.matches("class=\"reach\"").count(), 3);
        assert_eq!(html.matches("class=\"bar\"").count(), 2, "nothing has no bar");
        assert!(html.contains("height=\"1.50\""), "a little is seen");
        assert!(html.contains("height=\"120.00\""), "the most fills the height");
    }

    #[test]
    fn what_a_picture_spans_stands_below_it() {
        let html = bars(&[(0, 0), (1_000, 1), (50, 50), (1_000, 0)]).draw().to_string();
        let axis = "<p class=\"axis\"><span>day 0 &#60;b&#62;</span>\
                    <span>Most: 1,000, day 1 &#60;b&#62;</span><span>day 3 &#60;b&#62;</span></p>";
        assert!(html.contains(axis), "{html}");
        assert!(html.contains("day 0 &#60;b&#62; (the first)"), "{html}");
        let none = bars(&[(0, 0)]).draw().to_string();
        assert!(none.contains("<p class=\"axis\"><span>day 0 &#60;b&#62;</span></p>"), "{none}");
        assert!(!bars(&[]).draw().to_string().contains("axis"));
    }

    #[test]
    fn labels_and_links_cannot_end_what_they_stand_in() {
        let html = bars(&[(1, 0)]).draw().to_string();
        assert!(!html.contains("<b>") && !html.contains("to=\"\""), "{html}");
    }

    #[test]
    fn nothing_at_all_can_be_drawn() {
        assert!(bars(&[]).draw().to_string().contains("<tbody></tbody>"));
        assert!(sparkline(&[], "none").to_string().contains("points=\"\""));
        assert!(sparkline(&[3], "one").to_string().contains("points=\"0.0,1.0\""));
        assert!(share(0, 0).to_string().contains("width=\"0.0\""));
        assert!(share(1, 1_000_000).to_string().contains("width=\"1.5\""));
    }
}
