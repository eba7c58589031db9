//! The usage text of a policy, which is Markdown: laid out for a terminal, or as it is.

use std::borrow::Cow;

use termimad::{Alignment, MadSkin};

use crate::escape;
use crate::style::Style;

/// Characters shown; a text that is longer is read elsewhere.
const MOST: usize = 64 * 1024;

/// The lines of the text, each one harmless: it holds no control sequence but those of the layout.
pub(super) fn lines(markdown: &str, style: &Style, is_rendered: bool) -> Vec<String> {
    let markdown = escape::cut(markdown, MOST);
    let markdown = escape::visible(markdown.trim());
    let text = if is_rendered { rendered(&markdown, style) } else { Cow::Borrowed(markdown.as_str()) };
    text.lines().map(|line| escape::without_commands(line.trim_end()).into_owned()).collect()
}

fn rendered(markdown: &str, style: &Style) -> Cow<'static, str> {
    let mut skin = if style.colour { MadSkin::default() } else { MadSkin::no_style() };
    for header in &mut skin.headers {
        header.align = Alignment::Left;
    }
    skin.text(markdown, Some(style.width.saturating_sub(2))).to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout;

    const TEXT: &str = "# Title\n\nA **bold** sentence that is long enough to need a second line on a narrow terminal, \
                        really.\n\n* one\n* two\n\n```yaml\nkey: value\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n";

    fn shown(text: &str, colour: bool, is_rendered: bool) -> Vec<String> {
        lines(text, &Style { colour, width: 60, ..Style::default() }, is_rendered)
    }

    #[test]
    fn a_pipe_gets_the_text_as_it_is() {
        assert_eq!(shown(TEXT, false, false).join("\n"), TEXT.trim());
    }

    #[test]
    fn a_terminal_gets_lines_that_fit() {
        let lines = shown(TEXT, false, true);
        assert!(lines.iter().all(|line| layout::width(line) <= 60), "{lines:#?}");
        let text = lines.join("\n");
        assert!(text.contains("Title") && !text.contains("**") && text.contains("key: value"), "{text}");
        assert!(!text.contains('\u{1b}'));
        assert!(shown(TEXT, true, true).join("\n").contains('\u{1b}'));
    }

    #[test]
    fn nothing_of_a_stranger_reaches_the_terminal() {
        let text = "\u{1b}[2J::error::x\n\n::error::y ##[group]\n\n- ::warning::z\n\n    ::error::code\n\u{202e}";
        for (colour, is_rendered) in [(false, false), (false, true), (true, true)] {
            for line in shown(text, colour, is_rendered) {
                assert!(!line.contains("\u{1b}[2J") && !line.contains('\u{202e}'), "{line:?}");
                assert!(!line.trim_start().starts_with("::") && !line.contains("##["), "{line:?}");
            }
        }
    }

    #[test]
    fn odd_markdown_is_laid_out_all_the_same() {
        let pipes = "|".repeat(5_000);
        let stars = "*".repeat(5_000);
        let deep = "> ".repeat(500) + "  ".repeat(500).as_str() + "* x";
        for text in [&pipes, &stars, &deep, &format!("|{pipes}|\n|-|-|\n|{stars}|"), &"#".repeat(5_000), "```"] {
            let lines = shown(text, true, true);
            assert!(lines.len() < 20_000, "{}", lines.len());
        }
        let long = shown(&"word ".repeat(100_000), false, false).join("\n");
        assert!(long.ends_with("more characters)") && long.len() < 2 * MOST, "{}", long.len());
    }
}
