//! Programs that show how the crates are used; each is an example of this package.
