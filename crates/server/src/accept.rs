//! What a client says that it understands: the header `Accept`, for calls that have an answer
//! in several formats.

use axum::http::HeaderMap;
use axum::http::header;

/// The choice that a client likes most; of those it likes alike, the one that comes first. All
/// of them suit a client that says nothing. None if it takes none of them.
pub(crate) fn preferred<T: Copy>(headers: &HeaderMap, choices: &[(T, &[&str])]) -> Option<T> {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges: Vec<Range<'_>> =
        values.flat_map(|value| value.split(',')).filter_map(Range::parse).collect();
    if !headers.contains_key(header::ACCEPT) {
        return choices.first().map(|(choice, _)| *choice);
    }
    let mut best: Option<(u16, T)> = None;
    for (choice, names) in choices {
        let quality = names.iter().filter_map(|name| quality(&ranges, name)).max();
        if let Some(quality) = quality.filter(|quality| *quality > 0)
            && best.is_none_or(|(known, _)| quality > known)
        {
            best = Some((quality, *choice));
        }
    }
    best.map(|(_, choice)| choice)
}

/// `text/*;q=0.5`
struct Range<'a> {
    r#type: &'a str,
    subtype: &'a str,
    /// In thousandths.
    quality: u16,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (r#type, subtype) = parts.next()?.split_once('/')?;
        let weight = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
        });
        let quality = match weight {
            // What is no number says nothing, so the range does not count.
            Some(weight) => {
                let weight = weight.parse::<f32>().ok().filter(|q| (0.0..=1.0).contains(q))?;
                (weight * 1000.0).round() as u16
            }
            None => 1000,
        };
        Some(Self { r#type: r#type.trim(), subtype: subtype.trim(), quality })
    }

    /// How closely it names a media type, if it means it at all.
    fn closeness(&self, r#type: &str, subtype: &str) -> Option<u8> {
        match (self.r#type, self.subtype) {
            ("*", "*") => Some(0),
            (own, "*") if own.eq_ignore_ascii_case(r#type) => Some(1),
            (own, sub) if own.eq_ignore_ascii_case(r#type) && sub.eq_ignore_ascii_case(subtype) => {
                Some(2)
            }
            _ => None,
        }
    }
}

/// What the range that names a media type most closely says about it.
fn quality(ranges: &[Range<'_>], name: &str) -> Option<u16> {
    let (r#type, subtype) = name.split_once('/')?;
    ranges
        .iter()
        .filter_map(|range| Some((range.closeness(r#type, subtype)?, range.quality)))
        .max()
        .map(|(_, quality)| quality)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHOICES: [(char, &[&str]); 3] = [
        ('n', &["application/x-ndjson", "application/ndjson"]),
        ('c', &["text/csv"]),
        ('j', &["application/json"]),
    ];

    fn of(accept: &str) -> Option<char> {
        let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
        preferred(&headers, &CHOICES)
    }

    #[test]
    fn the_best_of_what_is_accepted() {
        assert_eq!(preferred(&HeaderMap::new(), &CHOICES), Some('n'));
        for (accept, wanted) in [
            ("*/*", Some('n')),
            ("text/csv", Some('c')),
            ("TEXT/CSV; charset=utf-8", Some('c')),
            ("text/*", Some('c')),
            ("application/json", Some('j')),
            ("application/*", Some('n')),
            ("application/ndjson", Some('n')),
            ("application/json, text/csv;q=0.9", Some('j')),
            ("application/json;q=0.5, text/csv ; q=0.9", Some('c')),
            ("text/html, */*;q=0.1", Some('n')),
            ("*/*, application/x-ndjson;q=0, application/ndjson;q=0", Some('c')),
            ("text/csv;q=0", None),
            ("text/html", None),
            ("text/csv;q=many", None),
            ("nonsense", None),
        ] {
            assert_eq!(of(accept), wanted, "{accept}");
        }
    }
}
