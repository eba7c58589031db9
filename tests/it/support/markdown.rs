//! What a page of Markdown holds: its links, what leads into it, its blocks of code.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use super::project;

/// Every page of the project: those of the book, and those beside it.
pub(crate) fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    let mut folders = vec![project().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy();
            if path.is_dir() && !name.starts_with('.') && name != "target" && name != "crates" {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    assert!(pages.len() > 20, "{pages:?}");
    pages
}

/// A block of code.
pub(crate) struct Block {
    pub(crate) language: String,
    pub(crate) text: String,
    /// Of the first line of its text, from 1.
    pub(crate) line: usize,
}

/// A page as its readers see it.
#[derive(Default)]
pub(crate) struct Page {
    /// Where links and pictures lead to, as written.
    pub(crate) links: Vec<String>,
    /// The names that headings can be reached by, as GitHub and mdBook make them.
    pub(crate) anchors: Vec<String>,
    pub(crate) blocks: Vec<Block>,
}

impl Page {
    pub(crate) fn of(text: &str) -> Self {
        let mut page = Self::default();
        let mut anchors = HashMap::new();
        // The heading or block that is being read.
        let (mut heading, mut block) = (None::<String>, None::<Block>);
        for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
            match event {
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    page.links.push(dest_url.into_string());
                }
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) => {
                    let line = text[..range.start].lines().count() + 2;
                    block = Some(Block { language: language.into_string(), text: String::new(), line });
                }
                Event::Text(part) | Event::Code(part) => {
                    let place = block.as_mut().map(|block| &mut block.text).or(heading.as_mut());
                    place.into_iter().for_each(|place| place.push_str(&part));
                }
                Event::End(TagEnd::Heading(_)) => {
                    page.anchors.extend(heading.take().map(|text| anchor(&text, &mut anchors)))
                }
                Event::End(TagEnd::CodeBlock) => page.blocks.extend(block.take()),
                _ => {}
            }
        }
        page
    }

    pub(crate) fn read(path: &Path) -> Self {
        Self::of(&fs::read_to_string(path).unwrap())
    }
}

/// A second heading of the same words is told apart by a number.
fn anchor(heading: &str, seen: &mut HashMap<String, usize>) -> String {
    let kept = heading.to_lowercase().replace(|letter: char| !letter.is_alphanumeric() && !" -_".contains(letter), "");
    let name = kept.replace(' ', "-");
    let count = seen.entry(name.clone()).or_default();
    *count += 1;
    if *count == 1 { name } else { format!("{name}-{}", *count - 1) }
}
