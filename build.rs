//! Lays out the GraphiQL page that the binary embeds, in `$OUT_DIR/ide`: every file compressed, under a name that
//! changes with its content.
//!
//! It is the full GraphiQL if `just ide` has built `ide/dist`, otherwise the small page in
//! `ide/small`, which needs no other build. `cfg(graphiql_whole)` is set for the former.

use std::error::Error;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rustc-check-cfg=cfg(graphiql_whole)");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=ide/dist");
    println!("cargo::rerun-if-changed=ide/small");
    println!("cargo::rerun-if-changed=ide/examples.js");

    let into = Path::new(&std::env::var("OUT_DIR")?).join("ide");
    if into.exists() {
        fs::remove_dir_all(&into)?;
    }
    fs::create_dir_all(&into)?;
    let built = Path::new("ide/dist");
    if built.join("index.html.gz").exists() {
        println!("cargo::rustc-cfg=graphiql_whole");
        whole(built, &into)
    } else {
        small(&into)
    }
}

fn whole(built: &Path, into: &Path) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(built)? {
        let entry = entry?;
        if entry.file_name() != ".gitignore" {
            fs::copy(entry.path(), into.join(entry.file_name()))?;
        }
    }
    Ok(())
}

fn small(into: &Path) -> Result<(), Box<dyn Error>> {
    let style = write_hashed(into, "style.css", &fs::read_to_string("ide/small/style.css")?)?;
    let examples = write_hashed(into, "examples.js", &fs::read_to_string("ide/examples.js")?)?;
    let script = fs::read_to_string("ide/small/app.js")?.replace("{{examples.js}}", &examples);
    let script = write_hashed(into, "app.js", &script)?;
    let page = fs::read_to_string("ide/small/index.html")?;
    write(into, "index.html", &page.replace("{{style.css}}", &style).replace("{{app.js}}", &script))
}

/// The file name: `name` with sixteen hex digits of a content hash before its extension. The hash
/// is not cryptographic, because only this project writes these files.
fn write_hashed(into: &Path, name: &str, content: &str) -> Result<String, Box<dyn Error>> {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    let (stem, extension) = name.split_once('.').ok_or("a file of the page has no extension")?;
    let name = format!("{stem}.{:016x}.{extension}", hasher.finish());
    write(into, &name, content)?;
    Ok(name)
}

fn write(into: &Path, name: &str, content: &str) -> Result<(), Box<dyn Error>> {
    let mut encoder = GzEncoder::new(fs::File::create(into.join(format!("{name}.gz")))?, Compression::best());
    encoder.write_all(content.as_bytes())?;
    encoder.finish()?;
    Ok(())
}
