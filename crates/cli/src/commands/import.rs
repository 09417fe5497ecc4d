//! `import`: files into the lake. A file imported twice gives nothing new: events without an
//! id get one from what they say.

mod taking;

use std::time::Instant;

use anyhow::{Context, bail};
use auditlake_lake::Lake;
use auditlake_model::id::ContentIds;
use auditlake_model::parse::{ParseOptions, TenantRule, UnknownKeys, parse_events};
use auditlake_model::{Draft, ModelError};
use auditlake_query::{Engine, Shape};
use indicatif::ProgressBar;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

pub(crate) use self::taking::{Taken, Taking};

use crate::args::ImportArgs;
use crate::output::say;
use crate::progress;
use crate::settings::Settings;
use crate::source::{Chunk, Input, Lines, inputs, total_bytes};

/// Chunks that are parsed before the lake takes them.
const DRAFTS_AHEAD: usize = 2;
/// Records of another system that are reshaped at a time.
const RESHAPED_RECORDS: usize = 8192;

pub(crate) async fn run(settings: &Settings, arguments: &ImportArgs) -> anyhow::Result<()> {
    let shape = arguments.shape.as_deref().map(read_shape).transpose()?;
    let inputs = inputs(&arguments.files)?;
    let started = Instant::now();
    let lake = super::open(settings).await?;
    let import = Import {
        engine: settings.engine()?,
        shape,
        tenant: arguments.tenant.clone(),
        unknown: if arguments.unknown_to_data {
            UnknownKeys::IntoData
        } else {
            UnknownKeys::Refuse
        },
        bar: progress::bar(Some(total_bytes(&inputs)).filter(|bytes| *bytes > 0), "bytes"),
    };
    let mut taking = Taking::new(&lake);
    let mut failed = None;
    for input in &inputs {
        if let Err(error) = import.file(input, &mut taking).await {
            failed = Some(error.context(input.to_string()));
            break;
        }
    }
    import.bar.finish_and_clear();
    let Taken { accepted, duplicates } = taking.end().await;
    // What was taken before an error stays: it is durable, and importing again skips it.
    let finished = finish(lake).await;
    let told = if arguments.json {
        say!("{}", json!({"accepted": accepted, "duplicates": duplicates, "files": inputs.len()}))
    } else {
        say!(
            "imported {} events ({} duplicates) from {} files in {}, {}",
            progress::count(accepted),
            progress::count(duplicates),
            inputs.len(),
            progress::seconds(started.elapsed()),
            progress::rate(accepted, started),
        )
    };
    failed.map_or(finished, Err)?;
    Ok(told?)
}

/// Leaves a lake as queries like it: one segment a day, nothing hot.
pub(crate) async fn finish(lake: Lake) -> anyhow::Result<()> {
    lake.flush().await?;
    lake.compact(2).await?;
    Ok(lake.close().await?)
}

/// A built-in shape by name, or one's own by path.
fn read_shape(name: &str) -> anyhow::Result<Shape> {
    if !name.ends_with(".sql") {
        return Ok(Shape::built_in(name)?);
    }
    let sql = std::fs::read_to_string(name).with_context(|| name.to_owned())?;
    Ok(Shape::new(name, &sql))
}

struct Import {
    engine: Engine,
    shape: Option<Shape>,
    tenant: Option<String>,
    unknown: UnknownKeys,
    bar: ProgressBar,
}

impl Import {
    async fn file(&self, input: &Input, taking: &mut Taking<'_>) -> anyhow::Result<()> {
        let mut source = input.open()?;
        let mut ids = ContentIds::default();
        match &self.shape {
            Some(shape @ Shape { records: Some(key), .. }) => {
                let document = source.into_document()?;
                self.bar.inc(document.len() as u64);
                let records = records_of(&document, key)?;
                for (index, group) in records.chunks(RESHAPED_RECORDS).enumerate() {
                    let first = index * RESHAPED_RECORDS + 1;
                    self.reshaped(shape, first, group, &mut ids, taking).await?;
                }
            }
            Some(shape) => {
                let mut first = 1;
                while let Some(chunk) = source.next_chunk()? {
                    self.bar.inc(chunk.bytes.len() as u64);
                    let text = std::str::from_utf8(&chunk.bytes).context("is no UTF-8 text")?;
                    let records: Vec<&str> =
                        text.lines().filter(|line| !line.trim().is_empty()).collect();
                    for group in records.chunks(RESHAPED_RECORDS) {
                        self.reshaped(shape, first, group, &mut ids, taking).await?;
                        first += group.len();
                    }
                }
            }
            None if source.opens_with(b'[')? => {
                let bytes = source.into_document()?;
                self.bar.inc(bytes.len() as u64);
                self.append(Chunk { bytes, first_line: 1 }, ids, taking).await?;
            }
            None => self.lines(source, taking).await?,
        }
        Ok(())
    }

    /// Reads and parses ahead of the lake, which syncs what it was given meanwhile.
    async fn lines(&self, mut source: Lines, taking: &mut Taking<'_>) -> anyhow::Result<()> {
        let (sender, mut drafts) = mpsc::channel(DRAFTS_AHEAD);
        let (tenant, unknown, bar) = (self.tenant.clone(), self.unknown, self.bar.clone());
        let parsing = tokio::task::spawn_blocking(move || -> anyhow::Result<()> {
            let mut ids = ContentIds::default();
            while let Some(chunk) = source.next_chunk()? {
                bar.inc(chunk.bytes.len() as u64);
                // To the parser, a request without any event is a mistake.
                if chunk.is_blank() {
                    continue;
                }
                let draft = parse(&chunk, tenant.as_deref(), unknown, &mut ids)?;
                if sender.blocking_send(draft).is_err() {
                    break;
                }
            }
            Ok(())
        });
        while let Some(draft) = drafts.recv().await {
            taking.take(draft).await?;
        }
        parsing.await?
    }

    /// `first` is the number of the first of these records in its file.
    async fn reshaped(
        &self,
        shape: &Shape,
        first: usize,
        records: &[&str],
        ids: &mut ContentIds,
        taking: &mut Taking<'_>,
    ) -> anyhow::Result<()> {
        let bytes = self.engine.reshape(shape, records).await?;
        let lines = memchr::memchr_iter(b'\n', &bytes).count();
        if lines != records.len() {
            bail!("shape {}: {} records became {lines} events", shape.name, records.len());
        }
        let taken = std::mem::take(ids);
        *ids = self.append(Chunk { bytes, first_line: first }, taken, taking).await?;
        Ok(())
    }

    /// Parses off the reactor, appends, and gives the id source back.
    async fn append(
        &self,
        chunk: Chunk,
        mut ids: ContentIds,
        taking: &mut Taking<'_>,
    ) -> anyhow::Result<ContentIds> {
        if chunk.is_blank() {
            return Ok(ids);
        }
        let (tenant, unknown) = (self.tenant.clone(), self.unknown);
        let parsing = tokio::task::spawn_blocking(move || {
            parse(&chunk, tenant.as_deref(), unknown, &mut ids).map(|draft| (draft, ids))
        });
        let (draft, ids) = parsing.await??;
        taking.take(draft).await?;
        Ok(ids)
    }
}

/// The events of a chunk; an error names the line of the file.
fn parse(
    chunk: &Chunk,
    default_tenant: Option<&str>,
    unknown: UnknownKeys,
    ids: &mut ContentIds,
) -> Result<Draft, ModelError> {
    let tenant = default_tenant.map_or(TenantRule::Named, TenantRule::Default);
    let mut options = ParseOptions { unknown, tenant, partial: false, ids };
    let parsed = parse_events(&chunk.bytes, &mut options).map_err(|error| match error {
        ModelError::Event(mut rejection) => {
            rejection.line += chunk.first_line - 1;
            ModelError::Event(rejection)
        }
        other => other,
    })?;
    Ok(parsed.draft)
}

/// The records of a document: the elements of the array under `key`.
fn records_of<'a>(document: &'a [u8], key: &str) -> anyhow::Result<Vec<&'a str>> {
    let members: std::collections::HashMap<String, &'a RawValue> =
        serde_json::from_slice(document).context("is no JSON object")?;
    let Some(records) = members.get(key) else {
        bail!("has no key {key:?}, where this shape has its records");
    };
    let records: Vec<&'a RawValue> = serde_json::from_str(records.get())
        .with_context(|| format!("{key:?} is no array of records"))?;
    Ok(records.into_iter().map(RawValue::get).collect())
}

/// Parses generated events, for `quickstart`.
pub(crate) fn parse_lines(bytes: Vec<u8>) -> Result<Draft, ModelError> {
    let chunk = Chunk { bytes, first_line: 1 };
    parse(&chunk, None, UnknownKeys::Refuse, &mut ContentIds::default())
}
