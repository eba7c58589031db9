//! Brace expansion: `{a,b}` and `{1..3}`.

use super::problem::Problem;

/// Most words that one word becomes.
const MOST: usize = 1_000;

/// Longest word with braces, in characters: each of the words it becomes is about as long.
const LONGEST: usize = 4096;
/// Most characters that are looked at for one word.
const WORK: usize = 20_000_000;

/// A character, and whether it is quoted, which makes it no brace.
pub(super) type Marked = (char, bool);

/// The words that a word becomes.
pub(super) fn expand(word: &[Marked]) -> Result<Vec<Vec<Marked>>, Problem> {
    let mut done: Vec<Vec<Marked>> = Vec::new();
    let mut open = vec![(Vec::new(), word.to_vec())];
    let mut work = if word.len() > LONGEST { WORK + 1 } else { 0 };
    while let Some((before, rest)) = open.pop() {
        let found = first(&rest, &mut work);
        if done.len() + open.len() >= MOST || work > WORK {
            return Err(Problem::Limit("words of a brace expansion"));
        }
        match found {
            None => done.push(join(&before, &rest)),
            Some((start, end, items)) => {
                let before = join(&before, &rest[..start]);
                // The inner braces of an item are expanded with what follows.
                for item in items.into_iter().rev() {
                    open.push((before.clone(), join(&item, &rest[end..])));
                }
            }
        }
    }
    Ok(done)
}

fn join(left: &[Marked], right: &[Marked]) -> Vec<Marked> {
    left.iter().chain(right).copied().collect()
}

/// The first braces that expand: where they start and end, and their items.
fn first(word: &[Marked], work: &mut usize) -> Option<(usize, usize, Vec<Vec<Marked>>)> {
    for start in (0..word.len()).filter(|index| word[*index] == ('{', false)).take(100) {
        let (mut depth, mut commas) = (0_usize, vec![start]);
        *work += word.len();
        for (index, marked) in word.iter().enumerate().skip(start) {
            match marked {
                ('{', false) => depth += 1,
                (',', false) if depth == 1 => commas.push(index),
                ('}', false) => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                commas.push(index);
                let items: Vec<Vec<Marked>> = match commas.len() {
                    2 => range(&word[start + 1..index]).unwrap_or_default(),
                    _ => commas.windows(2).map(|pair| word[pair[0] + 1..pair[1]].to_vec()).collect(),
                };
                // Braces without a comma are no expansion, but others may follow.
                if items.is_empty() {
                    break;
                }
                return Some((start, index + 1, items));
            }
        }
    }
    None
}

/// `1..3`, `a..c`
fn range(word: &[Marked]) -> Option<Vec<Vec<Marked>>> {
    let text: String = word.iter().map(|marked| marked.0).collect();
    let (from, to) = text.split_once("..")?;
    let words: Vec<String> = if let (Ok(from), Ok(to)) = (from.parse::<i64>(), to.parse::<i64>()) {
        let numbers = from.min(to)..=from.max(to);
        let words: Vec<String> = numbers.take(MOST + 1).map(|number| number.to_string()).collect();
        if from > to { words.into_iter().rev().collect() } else { words }
    } else {
        let (from, to) = (from.parse::<char>().ok()?, to.parse::<char>().ok()?);
        (from..=to).take(MOST + 1).map(String::from).collect()
    };
    Some(words.into_iter().map(|word| word.chars().map(|next| (next, false)).collect()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Option<Vec<String>> {
        let marked: Vec<Marked> = text.chars().map(|next| (next, false)).collect();
        let words = expand(&marked).ok()?;
        Some(words.iter().map(|word| word.iter().map(|marked| marked.0).collect()).collect())
    }

    #[test]
    fn braces_become_words() {
        for (text, expected) in [
            ("a", vec!["a"]),
            ("x{a,b}y", vec!["xay", "xby"]),
            ("{a,{b,c}d}", vec!["a", "bd", "cd"]),
            ("{a,b}{1..2}", vec!["a1", "a2", "b1", "b2"]),
            ("{3..1}", vec!["3", "2", "1"]),
            ("{a}", vec!["{a}"]),
            ("{a}{b,c}", vec!["{a}b", "{a}c"]),
            ("{", vec!["{"]),
            ("{,x}", vec!["", "x"]),
        ] {
            assert_eq!(words(text).unwrap(), expected, "{text}");
        }
        assert_eq!(words(&"{a,b}".repeat(30)), None);
        assert_eq!(words("{1..99999999999}"), None);
    }
}
