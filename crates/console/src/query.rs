//! The query string of a page: what it says, and links to the same page that say a little more
//! or less. Filters are the API's and are handed on as they came; only the page's own
//! parameters are known here.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use url::form_urlencoded::{Serializer, parse};

/// What a page may be asked that the API knows nothing of.
pub(crate) const OWN: [&str; 5] = ["columns_shown", "tz", "event", "theme", "done"];

/// What a form of ours calls its own fields or what a script finds in it, and no call takes:
/// carried along from an address it would stand for these.
pub(crate) const OF_FORMS: [&str; 5] = ["name", "shared", "version", "csrf", "elements"];

/// Names and values, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// These names and values.
    pub(crate) fn of(pairs: Vec<(String, String)>) -> Self {
        Self { pairs }
    }

    /// Reads a query string, or the body of a form. Empty fields of a form say nothing.
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = parse(text.as_bytes()).filter(|(_, value)| !value.is_empty());
        Self { pairs: pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect() }
    }

    /// The first value of a name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Every value of a name.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let of_name = self.pairs.iter().filter(|(known, _)| known == name);
        of_name.map(|(_, value)| value.as_str()).collect()
    }

    /// Every name and value.
    pub(crate) fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }

    /// The same with this value alone under the name.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut query = self.without(name);
        if !value.is_empty() {
            query.pairs.push((name.to_owned(), value.to_owned()));
        }
        query
    }

    /// The same with one more value under the name.
    pub(crate) fn and(mut self, name: &str, value: &str) -> Self {
        self.pairs.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same without the name.
    pub(crate) fn without(&self, name: &str) -> Self {
        let kept = self.pairs.iter().filter(|(known, _)| known != name);
        Self { pairs: kept.cloned().collect() }
    }

    /// The same with the value among those of the name, or without it if it is there.
    pub(crate) fn toggled(&self, name: &str, value: &str) -> Self {
        let pair = (name.to_owned(), value.to_owned());
        let mut query = self.clone();
        if query.pairs.contains(&pair) {
            query.pairs.retain(|known| *known != pair);
        } else {
            query.pairs.push(pair);
        }
        query
    }

    /// What the API is asked: everything but [`OWN`] and what else is the page's own.
    pub(crate) fn for_api(&self, own: &[&str]) -> Self {
        let is_own = |name: &str| OWN.contains(&name) || own.contains(&name);
        let asked = self.pairs.iter().filter(|(name, _)| !is_own(name));
        Self { pairs: asked.cloned().collect() }
    }

    /// The first name that is neither among these nor [`OWN`].
    pub(crate) fn unknown(&self, known: &[&str]) -> Option<&str> {
        let mut names = self.pairs.iter().map(|(name, _)| name.as_str());
        names.find(|name| !known.contains(name) && !OWN.contains(name))
    }

    /// The sentence about what was done, by the name that the address gives it. Only what stands in
    /// the table is said: the address is anybody's to write.
    pub(crate) fn said(&self, table: &[(&str, &'static str)]) -> &'static str {
        let done = self.get("done").unwrap_or_default();
        table.iter().find(|(name, _)| *name == done).map_or("", |(_, text)| *text)
    }

    /// A link to a path that says all of it.
    pub(crate) fn href(&self, path: &str) -> String {
        if self.pairs.is_empty() {
            return path.to_owned();
        }
        let query = Serializer::new(String::new()).extend_pairs(&self.pairs).finish();
        format!("{path}?{query}")
    }
}

/// A page takes the query string of its address; there is none that cannot be read.
impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_a_link_says() {
        let query = Query::parse("type=admin.*&type=user.x&q=%3Cb%3E+%26&empty=&tz=UTC");
        assert_eq!(query.get("type"), Some("admin.*"));
        assert_eq!(query.all("type"), ["admin.*", "user.x"]);
        assert_eq!(query.get("q"), Some("<b> &"));
        assert_eq!(query.get("empty"), None);
        assert_eq!(Query::parse(query.href("/logs").split_once('?').unwrap().1), query);
        assert_eq!(Query::default().href("/logs"), "/logs");
    }

    #[test]
    fn only_the_pages_own_parameters_are_kept_from_the_api() {
        let query = Query::parse("type=a&event=evt_1&columns_shown=type&panel=2&where=a%3D1");
        assert_eq!(query.for_api(&[]).href(""), "?type=a&panel=2&where=a%3D1");
        assert_eq!(query.for_api(&["panel"]).href(""), "?type=a&where=a%3D1");
        assert_eq!(query.unknown(&["type", "where"]), Some("panel"));
        assert_eq!(query.unknown(&["type", "where", "panel"]), None);
    }

    #[test]
    fn parameters_are_set_dropped_and_toggled() {
        let query = Query::parse("type=a&type=b&outcome=denied");
        assert_eq!(query.with("type", "c").href(""), "?outcome=denied&type=c");
        assert_eq!(query.with("type", "").href(""), "?outcome=denied");
        assert_eq!(query.without("outcome").href(""), "?type=a&type=b");
        assert_eq!(query.toggled("type", "b").href(""), "?type=a&outcome=denied");
        assert_eq!(query.toggled("type", "c").all("type"), ["a", "b", "c"]);
        assert_eq!(query.and("type", "a").all("type"), ["a", "b", "a"]);
    }

    #[test]
    fn an_address_says_nothing_of_its_own() {
        let table = [("saved", "It is saved.")];
        assert_eq!(Query::parse("done=saved").said(&table), "It is saved.");
        assert_eq!(Query::parse("done=%3Cb%3E").said(&table), "");
        assert_eq!(Query::default().said(&table), "");
    }

    #[test]
    fn broken_escapes_do_not_break_the_page() {
        let query = Query::parse("q=%zz%ff&&=&x");
        assert_eq!(query.get("q"), Some("%zz\u{fffd}"));
        assert_eq!(query.get("x"), None);
    }
}
