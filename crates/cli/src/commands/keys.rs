//! `keys`: the API keys of a lake, made and revoked beside whatever server runs on it; each
//! server learns of it within seconds.

use anyhow::Context;
use auditlake_model::env::Environment;
use auditlake_server::{KeyView, Keys, NewKey, Place};
use serde_json::json;

use crate::args::{CreateKeyArgs, KeysCommand, ListKeysArgs, RevokeKeyArgs};
use crate::output::{self, say};
use crate::settings::Settings;

/// What a key says of who made it.
const MAKER: &str = "command line";

pub(crate) async fn run(settings: &Settings, command: &KeysCommand) -> anyhow::Result<()> {
    match command {
        KeysCommand::Create(arguments) => create(settings, arguments).await,
        KeysCommand::List(arguments) => list(settings, arguments).await,
        KeysCommand::Revoke(arguments) => revoke(settings, arguments).await,
    }
}

async fn create(settings: &Settings, arguments: &CreateKeyArgs) -> anyhow::Result<()> {
    let documents = super::open_reader(settings).await?.documents();
    let environment = Environment::system();
    let now_us = environment.clock.now_us();
    let new = NewKey {
        name: arguments.name.clone().unwrap_or_else(|| arguments.role.to_string()),
        role: arguments.role,
        place: Place {
            tenant_id: arguments.tenant.clone(),
            org_id: arguments.org.clone(),
            team_id: arguments.team.clone(),
            user_id: arguments.user.clone(),
        },
        expires_at_us: arguments.expires.map(|expiry| expiry.for_key_made_at(now_us)),
        created_by: MAKER.to_owned(),
    };
    let keys = Keys::load(&documents).await?;
    let (view, text) = keys.create(&documents, &environment, new).await?;
    if let Err(unseen) = show(arguments, &view, &text) {
        // A key that nobody saw is of use to nobody.
        let now_us = environment.clock.now_us();
        keys.revoke(&documents, &view.id, now_us).await.with_context(|| {
            format!("key {} could not be shown, and not be revoked either", view.id)
        })?;
        return Err(unseen.into());
    }
    Ok(())
}

/// The text alone on standard output, so that a script can take it.
fn show(arguments: &CreateKeyArgs, view: &KeyView, text: &str) -> std::io::Result<()> {
    if arguments.json {
        let mut shown = json!(view);
        shown["key"] = text.into();
        return output::line(shown);
    }
    output::line(text)?;
    eprintln!("key {} for {}; it is shown only now", view.id, holder(view));
    Ok(())
}

async fn list(settings: &Settings, arguments: &ListKeysArgs) -> anyhow::Result<()> {
    let documents = super::open_reader(settings).await?.documents();
    let views = Keys::load(&documents).await?.list();
    if arguments.json {
        say!("{}", json!({"keys": views}))?;
        return Ok(());
    }
    for view in views {
        let state = match (&view.revoked_at, &view.expires_at) {
            (Some(time), _) => format!("revoked {time}"),
            (None, Some(time)) => format!("ends {time}"),
            (None, None) => "valid".to_owned(),
        };
        let used = view.last_used_at.as_deref().unwrap_or("never");
        say!("{}  {}  {state}  used {used}  {}", view.id, holder(&view), view.name)?;
    }
    Ok(())
}

async fn revoke(settings: &Settings, arguments: &RevokeKeyArgs) -> anyhow::Result<()> {
    let documents = super::open_reader(settings).await?.documents();
    let now_us = Environment::system().clock.now_us();
    let view = Keys::load(&documents).await?.revoke(&documents, &arguments.id, now_us).await?;
    if arguments.json {
        say!("{}", json!(view))?;
    } else {
        let time = view.revoked_at.as_deref().unwrap_or_default();
        say!("key {} for {} is revoked since {time}", view.id, holder(&view))?;
    }
    Ok(())
}

/// `auditor of acme`, `org_admin of acme / emea`.
fn holder(view: &KeyView) -> String {
    let place = [&view.tenant_id, &view.org_id, &view.team_id, &view.user_id];
    let place: Vec<&str> = place.into_iter().filter_map(|part| part.as_deref()).collect();
    match place.as_slice() {
        [] => view.role.to_string(),
        place => format!("{} of {}", view.role, place.join(" / ")),
    }
}
