//! What the lake asks of an object store. One suite for every store and every wrapper: memory,
//! the durable local folder, the faulty one while its faults are off, S3.

use bytes::Bytes;
use futures::future::join_all;
use futures::stream::{self, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    Error, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions,
    PutPayload, Result,
};

/// Everything happens below this prefix, so that a bucket may hold other things.
const ROOT: &str = "conformance";

/// Runs the whole suite; leaves the store as it was, but for its own prefix, which it empties.
///
/// # Panics
///
/// When the store breaks the contract; the message says where.
pub async fn object_store_conformance(store: &dyn ObjectStore) {
    sweep(store).await;
    puts_and_gets(store).await;
    empty_objects(store).await;
    ranges(store).await;
    missing_objects(store).await;
    lists(store).await;
    deletes(store).await;
    create_only(store).await;
    concurrent_creates(store).await;
    multipart(store).await;
    copies_and_renames(store).await;
    sweep(store).await;
    assert_eq!(names(store, &Path::from(ROOT)).await, Vec::<String>::new(), "all is swept");
}

fn at(name: &str) -> Path {
    Path::from(format!("{ROOT}/{name}"))
}

fn must<T>(result: Result<T>, what: &str) -> T {
    result.unwrap_or_else(|error| panic!("{what}: {error}"))
}

fn is_missing<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::NotFound { .. }))
}

/// Some stores cannot do this at all; the lake does not ask it of them.
fn is_unsupported<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::NotSupported { .. } | Error::NotImplemented { .. }))
}

async fn put(store: &dyn ObjectStore, path: &Path, content: &'static str) {
    must(store.put(path, PutPayload::from(content)).await, &format!("put {path}"));
}

async fn get(store: &dyn ObjectStore, path: &Path) -> Bytes {
    let result = must(store.get(path).await, &format!("get {path}"));
    must(result.bytes().await, &format!("read {path}"))
}

/// The locations below a prefix, sorted: no order is promised.
async fn names(store: &dyn ObjectStore, prefix: &Path) -> Vec<String> {
    let metas: Vec<ObjectMeta> =
        must(store.list(Some(prefix)).try_collect().await, &format!("list {prefix}"));
    let mut names: Vec<String> = metas.into_iter().map(|meta| meta.location.to_string()).collect();
    names.sort();
    names
}

fn listed(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("{ROOT}/{name}")).collect()
}

async fn sweep(store: &dyn ObjectStore) {
    for name in names(store, &Path::from(ROOT)).await {
        must(store.delete(&Path::from(name.as_str())).await, &format!("delete {name}"));
    }
}

async fn puts_and_gets(store: &dyn ObjectStore) {
    let deep = at("events/day=2026-03-01/a/b/c/d/01J.parquet");
    for path in [at("plain"), at("with space.json"), deep] {
        put(store, &path, "first, and longer").await;
        assert_eq!(get(store, &path).await, "first, and longer", "what was put into {path}");
        put(store, &path, "second").await;
        assert_eq!(get(store, &path).await, "second", "an overwrite replaces the whole of {path}");

        let meta = must(store.head(&path).await, "head");
        assert_eq!((&meta.location, meta.size), (&path, 6), "head of {path}");
    }
    let big: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    let chunks: PutPayload = big.chunks(70_001).map(Bytes::copy_from_slice).collect();
    must(store.put(&at("big"), chunks).await, "put of many chunks");
    assert!(get(store, &at("big")).await == big, "three million bytes come back as they were");
}

async fn empty_objects(store: &dyn ObjectStore) {
    let path = at("empty");
    must(store.put(&path, PutPayload::new()).await, "put of an empty object");
    assert_eq!(must(store.head(&path).await, "head of an empty object").size, 0);
    assert_eq!(get(store, &path).await, "", "an empty object is empty");
    assert!(names(store, &Path::from(ROOT)).await.contains(&path.to_string()), "and is listed");
}

async fn ranges(store: &dyn ObjectStore) {
    let path = at("digits");
    put(store, &path, "0123456789").await;
    let part = must(store.get_range(&path, 2..5).await, "get of a range");
    assert_eq!(part, "234");
    let parts = must(store.get_ranges(&path, &[0..1, 7..10, 2..4]).await, "get of ranges");
    assert_eq!(parts, ["0", "789", "23"]);
    for (range, expected) in [
        (GetRange::Bounded(8..100), "89"),
        (GetRange::Offset(6), "6789"),
        (GetRange::Suffix(3), "789"),
        (GetRange::Suffix(100), "0123456789"),
    ] {
        let what = format!("get of {range:?}");
        let result = store.get_opts(&path, GetOptions::new().with_range(Some(range))).await;
        if is_unsupported(&result) {
            continue;
        }
        let result = must(result, &what);
        assert_eq!(result.meta.size, 10, "{what} tells the size of the whole");
        assert_eq!(must(result.bytes().await, &what), expected, "{what}");
    }
    assert!(store.get_range(&path, 20..30).await.is_err(), "a range past the end is an error");
}

async fn missing_objects(store: &dyn ObjectStore) {
    put(store, &at("folder/object"), "x").await;
    // A folder is not an object, nor is the beginning of a name.
    for path in [at("absent"), at("folder"), at("folder/obj")] {
        let got = store.get(&path).await;
        assert!(is_missing(&got), "get of {path}, which is not there: {got:?}");
        let head = store.head(&path).await;
        assert!(is_missing(&head), "head of {path}, which is not there: {head:?}");
        let range = store.get_range(&path, 0..1).await;
        assert!(is_missing(&range), "a range of {path}, which is not there: {range:?}");
        let copied = store.copy(&path, &at("copied")).await;
        assert!(copied.is_err(), "copy of {path}, which is not there");
    }
    assert!(is_missing(&store.head(&at("copied")).await), "a copy of nothing leaves nothing");
}

async fn lists(store: &dyn ObjectStore) {
    let all = ["list/a/1", "list/a/2", "list/a/deep/3", "list/ab/4", "list/top"];
    for name in all {
        put(store, &at(name), "four").await;
    }
    assert_eq!(names(store, &at("list")).await, listed(&all), "a list goes into every folder");
    let below_a = listed(&all[..3]);
    assert_eq!(names(store, &at("list/a")).await, below_a, "a prefix ends where a name ends");
    assert_eq!(names(store, &at("list/none")).await, listed(&[]), "nothing is below nothing");

    let metas = store.list_with_offset(Some(&at("list")), &at("list/a/2"));
    let metas: Vec<ObjectMeta> = must(metas.try_collect().await, "list after an offset");
    assert!(metas.iter().all(|meta| meta.size == 4), "a list tells sizes: {metas:?}");
    let mut after: Vec<String> = metas.iter().map(|meta| meta.location.to_string()).collect();
    after.sort();
    assert_eq!(after, listed(&all[2..]), "the offset itself is left out");

    let level = must(store.list_with_delimiter(Some(&at("list"))).await, "list of one level");
    let objects: Vec<String> = level.objects.iter().map(|meta| meta.location.to_string()).collect();
    assert_eq!(objects, listed(&["list/top"]), "objects of one level");
    let mut folders: Vec<String> = level.common_prefixes.iter().map(ToString::to_string).collect();
    folders.sort();
    assert_eq!(folders, listed(&["list/a", "list/ab"]), "folders of one level");
}

async fn deletes(store: &dyn ObjectStore) {
    for name in ["gone/1", "gone/2", "gone/3", "gone/kept"] {
        put(store, &at(name), "x").await;
    }
    must(store.delete(&at("gone/1")).await, "delete");
    assert!(is_missing(&store.get(&at("gone/1")).await), "what was deleted is missing");
    let both = stream::iter(["gone/2", "gone/3"].map(|name| Ok(at(name)))).boxed();
    let mut deleted: Vec<Path> =
        must(store.delete_stream(both).try_collect().await, "delete of several");
    deleted.sort();
    assert_eq!(deleted, [at("gone/2"), at("gone/3")], "each deleted path is told");
    assert_eq!(names(store, &at("gone")).await, listed(&["gone/kept"]), "and no other is gone");

    let again = store.delete(&at("gone/1")).await;
    assert!(again.is_ok() || is_missing(&again), "a second delete does no harm: {again:?}");
    put(store, &at("gone/1"), "back").await;
    assert_eq!(get(store, &at("gone/1")).await, "back", "a deleted name can be used again");
}

async fn create_only(store: &dyn ObjectStore) {
    let path = at("create/once");
    let create = || PutOptions::from(PutMode::Create);
    must(store.put_opts(&path, "mine".into(), create()).await, "create of a new object");
    let second = store.put_opts(&path, "theirs".into(), create()).await;
    let refused = matches!(second, Err(Error::AlreadyExists { .. }));
    assert!(refused, "create of what exists must say AlreadyExists: {second:?}");
    assert_eq!(get(store, &path).await, "mine", "a refused create changes nothing");

    must(store.delete(&path).await, "delete");
    must(store.put_opts(&path, "later".into(), create()).await, "create after a delete");
    assert_eq!(get(store, &path).await, "later");
}

async fn concurrent_creates(store: &dyn ObjectStore) {
    for round in 0..8 {
        let path = at(&format!("race/{round:020}.json"));
        let rivals = (0..12).map(|rival| {
            let (path, content) = (path.clone(), format!("rival {rival}"));
            async move {
                let payload = PutPayload::from(content.clone());
                (store.put_opts(&path, payload, PutMode::Create.into()).await, content)
            }
        });
        let mut winners = Vec::new();
        for (result, content) in join_all(rivals).await {
            match result {
                Ok(_) => winners.push(content),
                Err(Error::AlreadyExists { .. }) => {}
                Err(error) => panic!("a create that lost must say AlreadyExists: {error}"),
            }
        }
        assert_eq!(winners.len(), 1, "exactly one of many creates wins: {winners:?}");
        assert_eq!(get(store, &path).await, winners[0], "and its bytes are what is stored");
    }
}

async fn multipart(store: &dyn ObjectStore) {
    // No part but the last may be smaller on S3.
    const PART: usize = 5 * 1024 * 1024;
    let path = at("multipart/object");
    put(store, &path, "before").await;
    let mut upload = must(store.put_multipart(&path).await, "begin of a multipart upload");
    let bytes: Vec<u8> = (0..2 * PART + 10).map(|number| (number % 253) as u8).collect();
    let mut parts: Vec<_> =
        bytes.chunks(PART).map(|part| upload.put_part(part.to_vec().into())).collect();
    // Parts stand in the order of the calls, in whatever order they arrive.
    parts.reverse();
    for part in join_all(parts).await {
        must(part, "upload of a part");
    }
    assert_eq!(get(store, &path).await, "before", "no part is seen before the completion");
    must(upload.complete().await, "completion of a multipart upload");
    assert!(get(store, &path).await == bytes, "the parts make up the object, in order");

    let path = at("multipart/aborted");
    let mut upload = must(store.put_multipart(&path).await, "begin of a multipart upload");
    must(upload.put_part("never seen".into()).await, "upload of a part");
    must(upload.abort().await, "abort of a multipart upload");
    drop(upload);
    assert!(is_missing(&store.head(&path).await), "an aborted upload leaves nothing");
    let left = names(store, &at("multipart")).await;
    assert_eq!(left, listed(&["multipart/object"]), "not even in a list");
}

async fn copies_and_renames(store: &dyn ObjectStore) {
    let (from, to, moved) = (at("copy/from"), at("copy/to"), at("copy/deep/er/moved"));
    put(store, &from, "content").await;
    put(store, &to, "old").await;
    must(store.copy(&from, &to).await, "copy");
    assert_eq!(get(store, &to).await, "content", "a copy overwrites");
    assert_eq!(get(store, &from).await, "content", "and leaves its source");

    must(store.rename(&from, &moved).await, "rename");
    assert_eq!(get(store, &moved).await, "content", "a rename moves");
    assert!(is_missing(&store.head(&from).await), "and leaves nothing behind");

    let refused = store.copy_if_not_exists(&moved, &to).await;
    if !is_unsupported(&refused) {
        let refused = matches!(refused, Err(Error::AlreadyExists { .. }));
        assert!(refused, "copy_if_not_exists must say AlreadyExists");
    }
}
