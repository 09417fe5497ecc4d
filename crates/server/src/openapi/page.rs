//! The description as a page for people. It is plain HTML: every text of it is escaped, and it
//! needs no script.

use std::fmt::{self, Write};

use serde_json::Value;

/// How the page looks; its digest stands in the page's policy.
pub(super) const STYLE: &str = "\
body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;\
color:#1c2330;background:#fff}\
h2{margin-top:3rem;border-bottom:1px solid #d5dae3}\
section{margin:2rem 0}\
code,pre{font:14px/1.45 ui-monospace,monospace}\
pre{background:#f4f6f9;padding:1rem;overflow:auto}\
b.method{display:inline-block;min-width:4.5rem}\
table{border-collapse:collapse;width:100%;margin:.5rem 0}\
th,td{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;\
border-bottom:1px solid #e8ebf0}\
p.note{color:#5a6475}";

/// The page of a description.
pub(super) fn render(api: &Value) -> String {
    let mut page = String::with_capacity(64 << 10);
    // Writing into a text cannot fail.
    let _ = write_page(&mut page, api);
    page
}

fn write_page(page: &mut String, api: &Value) -> fmt::Result {
    let info = &api["info"];
    let (title, version) = (Text(&info["title"]), Text(&info["version"]));
    write!(
        page,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title} {version}</title><style>{STYLE}</style></head><body>\
         <h1>{title} {version}</h1>"
    )?;
    write_paragraphs(page, &info["description"])?;
    page.push_str(
        "<p class=\"note\">For programs: <a href=\"/openapi.json\">/openapi.json</a> (OpenAPI).</p>",
    );
    let tags = api["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
    for tag in tags {
        let name = &tag["name"];
        write!(page, "<h2>{}</h2><p>{}</p>", Text(name), Text(&tag["description"]))?;
        for (path, method, call) in calls(api) {
            if call["tags"][0] == *name {
                write_call(page, path, method, call)?;
            }
        }
    }
    page.push_str("<h2>Schemas</h2>");
    for (name, schema) in api["components"]["schemas"].as_object().into_iter().flatten() {
        let pretty = Value::String(serde_json::to_string_pretty(schema).unwrap_or_default());
        let name = Escaped(name);
        write!(
            page,
            "<details id=\"{name}\"><summary><code>{name}</code></summary><pre>{}</pre></details>",
            Text(&pretty)
        )?;
    }
    page.push_str("</body></html>\n");
    Ok(())
}

/// Every call: its path, its method, and what is said of it.
fn calls(api: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = api["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        let methods = item.as_object().into_iter().flatten();
        methods.map(move |(method, call)| (path.as_str(), method.as_str(), call))
    })
}

fn write_call(page: &mut String, path: &str, method: &str, call: &Value) -> fmt::Result {
    let (id, method) = (Text(&call["operationId"]), method.to_uppercase());
    write!(
        page,
        "<section id=\"{id}\"><h3><code><b class=\"method\">{method}</b> {}</code></h3><p>{}</p>",
        Escaped(path),
        Text(&call["summary"])
    )?;
    write_paragraphs(page, &call["description"])?;
    let parameters = call["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !parameters.is_empty() {
        page.push_str("<table><tr><th>parameter</th><th>in</th><th>value</th><th></th></tr>");
        for parameter in parameters {
            let needed = if parameter["required"] == true { " (needed)" } else { "" };
            write!(
                page,
                "<tr><td><code>{}</code>{needed}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                Text(&parameter["name"]),
                Text(&parameter["in"]),
                Escaped(&kind(&parameter["schema"])),
                Text(&parameter["description"])
            )?;
        }
        page.push_str("</table>");
    }
    for (media, content) in call["requestBody"]["content"].as_object().into_iter().flatten() {
        let (media, kind) = (Escaped(media), kind(&content["schema"]));
        write!(page, "<p>Body: <code>{media}</code> {}</p>", Escaped(&kind))?;
    }
    page.push_str("<table><tr><th>status</th><th>answer</th><th></th></tr>");
    for (status, response) in call["responses"].as_object().into_iter().flatten() {
        let contents = response["content"].as_object().into_iter().flatten();
        let media: Vec<&str> = contents.map(|(media, _)| media.as_str()).collect();
        write!(
            page,
            "<tr><td>{}</td><td>{}</td><td><code>{}</code></td></tr>",
            Escaped(status),
            Text(&response["description"]),
            Escaped(&media.join(", "))
        )?;
    }
    page.push_str("</table></section>");
    Ok(())
}

/// What values a schema takes, in a few words.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        return name.rsplit('/').next().unwrap_or(name).to_owned();
    }
    let mut words = match &schema["type"] {
        Value::String(one) if one == "array" => format!("list of {}", kind(&schema["items"])),
        Value::String(one) => one.clone(),
        Value::Array(several) => {
            several.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ")
        }
        _ => "any".to_owned(),
    };
    let limits = ["format", "minimum", "maximum", "default"];
    for (key, word) in limits.into_iter().zip(["", "from ", "to ", "default "]) {
        match &schema[key] {
            Value::Null => {}
            Value::String(text) => words += &format!(", {word}{text}"),
            value => words += &format!(", {word}{value}"),
        }
    }
    if let Some(choices) = schema["enum"].as_array() {
        let choices: Vec<_> = choices.iter().filter_map(Value::as_str).collect();
        words += &format!(": {}", choices.join(", "));
    }
    words
}

fn write_paragraphs(page: &mut String, text: &Value) -> fmt::Result {
    let text = text.as_str().unwrap_or_default();
    for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
        write!(page, "<p>{}</p>", Escaped(paragraph))?;
    }
    Ok(())
}

/// The text of a value, escaped; nothing if it is none.
struct Text<'a>(&'a Value);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Escaped(self.0.as_str().unwrap_or_default()), f)
    }
}

/// A text as it may stand anywhere in HTML.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            match char {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_stay_texts() {
        let api = json!({
            "info": {"title": "<script>", "version": "1 & 2", "description": "a\n\n\"b\""},
            "tags": [{"name": "things", "description": "all"}],
            "paths": {"/v1/things/{id}": {"get": {
                "operationId": "get_things", "tags": ["things"], "summary": "One thing.",
                "parameters": [{"name": "id", "in": "path", "required": true,
                                "schema": {"type": "integer", "minimum": 1}}],
                "responses": {"200": {"description": "It.",
                                      "content": {"application/json": {}}}},
            }}},
            "components": {"schemas": {"Thing": {"type": "object"}}},
        });
        let page = render(&api);
        assert!(!page.contains("<script>"), "{page}");
        for part in [
            "&lt;script&gt; 1 &amp; 2",
            "<p>a</p><p>&quot;b&quot;</p>",
            "<b class=\"method\">GET</b> /v1/things/{id}",
            "<code>id</code> (needed)</td><td>path</td><td>integer, from 1</td>",
            "<code>application/json</code>",
            "<details id=\"Thing\">",
        ] {
            assert!(page.contains(part), "{part} is not in {page}");
        }
    }
}
