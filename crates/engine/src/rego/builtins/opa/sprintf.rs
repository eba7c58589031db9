//! `sprintf`, with the verbs of Go.
//!
//! OPA hands Go whole numbers, large whole numbers, floating-point numbers and texts; everything else becomes a text
//! before. Which verb fits which, and what is written when it does not, follows Go's `fmt` and `math/big`.

use super::builtin::{BuiltinError, Environment, Outcome, text, wrong_type};
use super::quote;
use crate::rego::value::Value;

/// The largest width and precision given as an argument; written ones may have one digit more.
const MAX_NUMBER: usize = 1_000_000;

/// Bytes of a result. Go knows no limit, but widths cost a policy nothing and us memory.
const MAX_RESULT: usize = 16 << 20;

/// Digits of an argument; other bases take time that grows with their square.
const MAX_DIGITS: usize = 2000;

/// Digits behind the point beyond which every floating-point number has only zeros.
const MAX_DECIMALS: usize = 1100;

pub(crate) fn sprintf(_: &Environment, arguments: &[Value]) -> Result<Outcome, BuiltinError> {
    let format = text(arguments, 0)?;
    let Some(Value::Array(values)) = arguments.get(1) else {
        return Err(wrong_type(1, "array", arguments.get(1)));
    };
    let is_long = |value: &Value| matches!(value, Value::Number(digits) if digits.len() > MAX_DIGITS);
    if values.iter().any(is_long) {
        return Err(BuiltinError::Limit(format!("a number has more than {MAX_DIGITS} digits")));
    }
    let arguments: Vec<_> = values.iter().map(Argument::of).collect();
    Ok(Value::text(Printer::new(&arguments).print(format)?).into())
}

/// An argument as Go sees it.
enum Argument {
    Int(i64),
    /// Sign and digits of what does not fit.
    Big(bool, String),
    Float(f64),
    Text(String),
}

impl Argument {
    fn of(value: &Value) -> Self {
        match value {
            Value::Number(digits) => Self::number(digits),
            Value::Text(text) => Self::Text(text.clone()),
            value => Self::Text(value.to_rego()),
        }
    }

    fn number(digits: &str) -> Self {
        let unsigned = digits.trim_start_matches(['-', '+']);
        if let Ok(number) = digits.parse() {
            Self::Int(number)
        } else if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
            let significant = unsigned.trim_start_matches('0');
            Self::Big(digits.starts_with('-'), significant.to_owned())
        } else {
            match digits.parse::<f64>() {
                Ok(number) if number.is_finite() => Self::Float(number),
                _ => Self::Text(digits.to_owned()),
            }
        }
    }

    fn type_name(&self) -> &'static str {
        match self {
            Self::Int(_) => "int",
            Self::Big(..) => "*big.Int",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
        }
    }
}

/// Flags, width and precision of one verb.
#[derive(Default, Clone)]
struct Spec {
    sharp: bool,
    zero: bool,
    plus: bool,
    minus: bool,
    space: bool,
    /// `%#v`.
    sharp_v: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

impl Spec {
    /// Pads with blanks, or with zeros if the flag is set and on the left.
    fn pad(&self, out: &mut String, text: &str) {
        let missing = self.width.unwrap_or(0).saturating_sub(text.chars().count());
        if self.minus {
            out.push_str(text);
            out.extend(std::iter::repeat_n(' ', missing));
        } else {
            out.extend(std::iter::repeat_n(if self.zero { '0' } else { ' ' }, missing));
            out.push_str(text);
        }
    }

    fn pad_with_blanks(&self, out: &mut String, text: &str) {
        Self { zero: false, ..self.clone() }.pad(out, text);
    }

    fn truncate<'a>(&self, text: &'a str) -> &'a str {
        match self.precision.and_then(|precision| text.char_indices().nth(precision)) {
            Some((end, _)) => &text[..end],
            None => text,
        }
    }
}

struct Printer<'a> {
    arguments: &'a [Argument],
    out: String,
    next: usize,
    is_reordered: bool,
    is_index_good: bool,
}

impl<'a> Printer<'a> {
    fn new(arguments: &'a [Argument]) -> Self {
        Self { arguments, out: String::new(), next: 0, is_reordered: false, is_index_good: true }
    }

    fn print(mut self, format: &str) -> Result<String, BuiltinError> {
        let mut rest = format;
        while let Some(at) = rest.find('%') {
            self.out.push_str(&rest[..at]);
            rest = self.directive(&rest[at + 1..]);
            if self.out.len() > MAX_RESULT {
                return Err(BuiltinError::Limit(format!("its result is longer than {MAX_RESULT} bytes")));
            }
        }
        self.out.push_str(rest);
        if !self.is_reordered && self.next < self.arguments.len() {
            self.out.push_str("%!(EXTRA ");
            for (index, argument) in self.arguments[self.next..].iter().enumerate() {
                self.out.push_str(if index == 0 { "" } else { ", " });
                self.out.push_str(argument.type_name());
                self.out.push('=');
                write(&mut self.out, &Spec::default(), argument, 'v');
            }
            self.out.push(')');
        }
        Ok(self.out)
    }

    /// Everything behind a `%`; gives what follows.
    fn directive<'f>(&mut self, format: &'f str) -> &'f str {
        let mut spec = Spec::default();
        self.is_index_good = true;
        let flags = format.len() - format.trim_start_matches(['#', '0', '+', '-', ' ']).len();
        for flag in format[..flags].chars() {
            match flag {
                '#' => spec.sharp = true,
                '0' => spec.zero = true,
                '+' => spec.plus = true,
                '-' => spec.minus = true,
                _ => spec.space = true,
            }
        }
        let mut rest = &format[flags..];
        let mut is_after_index = self.argument_number(&mut rest);
        if let Some(after) = rest.strip_prefix('*') {
            rest = after;
            match self.number_from_argument() {
                Some(width) => {
                    spec.minus |= width < 0;
                    spec.width = usize::try_from(width.unsigned_abs()).ok();
                }
                None => self.out.push_str("%!(BADWIDTH)"),
            }
            is_after_index = false;
        } else {
            spec.width = number(&mut rest);
            self.is_index_good &= !(is_after_index && spec.width.is_some());
        }
        if let Some(after) = rest.strip_prefix('.') {
            rest = after;
            self.is_index_good &= !is_after_index;
            is_after_index = self.argument_number(&mut rest);
            if let Some(after) = rest.strip_prefix('*') {
                rest = after;
                spec.precision = self.number_from_argument().and_then(|precision| usize::try_from(precision).ok());
                if spec.precision.is_none() {
                    self.out.push_str("%!(BADPREC)");
                }
                is_after_index = false;
            } else {
                spec.precision = Some(number(&mut rest).unwrap_or(0));
            }
        }
        if !is_after_index {
            self.argument_number(&mut rest);
        }
        let Some(verb) = rest.chars().next() else {
            self.out.push_str("%!(NOVERB)");
            return rest;
        };
        self.verb(spec, verb);
        &rest[verb.len_utf8()..]
    }

    fn verb(&mut self, mut spec: Spec, verb: char) {
        if verb == '%' {
            return self.out.push('%');
        }
        if !self.is_index_good {
            return self.out.push_str(&format!("%!{verb}(BADINDEX)"));
        }
        let Some(argument) = self.arguments.get(self.next) else {
            return self.out.push_str(&format!("%!{verb}(MISSING)"));
        };
        self.next += 1;
        if verb == 'v' {
            spec.sharp_v = std::mem::take(&mut spec.sharp);
            spec.plus = false;
        }
        write(&mut self.out, &spec, argument, verb);
    }

    /// Reads `[3]`: which argument comes next.
    fn argument_number(&mut self, rest: &mut &str) -> bool {
        if !rest.starts_with('[') {
            return false;
        }
        self.is_reordered = true;
        let Some(end) = rest.find(']').filter(|_| rest.len() >= 3) else {
            self.is_index_good = false;
            *rest = &rest[1..];
            return false;
        };
        let mut digits = &rest[1..end];
        let index = number(&mut digits).filter(|_| digits.is_empty());
        *rest = &rest[end + 1..];
        match index {
            Some(index) if (1..=self.arguments.len()).contains(&index) => self.next = index - 1,
            _ => self.is_index_good = false,
        }
        index.is_some()
    }

    /// A width or precision given as an argument.
    fn number_from_argument(&mut self) -> Option<i64> {
        let argument = self.arguments.get(self.next)?;
        self.next += 1;
        match argument {
            Argument::Int(number) if number.unsigned_abs() <= MAX_NUMBER as u64 => Some(*number),
            _ => None,
        }
    }
}

/// Takes a number off the text.
fn number(rest: &mut &str) -> Option<usize> {
    let len = rest.bytes().take_while(u8::is_ascii_digit).count();
    let mut number = 0;
    for digit in rest[..len].bytes() {
        if number > MAX_NUMBER {
            // Go then gives up on the whole directive.
            *rest = "";
            return None;
        }
        number = number * 10 + usize::from(digit - b'0');
    }
    *rest = &rest[len..];
    (len > 0).then_some(number)
}

/// Zeros in front, up to this length. Formatting cannot do it: its widths end at 65535.
fn with_zeros(text: &str, least: usize) -> String {
    "0".repeat(least.saturating_sub(text.len())) + text
}

/// Zeros behind, up to this length.
fn with_zeros_behind(text: &str, least: usize) -> String {
    text.to_owned() + "0".repeat(least.saturating_sub(text.len())).as_str()
}

fn write(out: &mut String, spec: &Spec, argument: &Argument, verb: char) {
    let is_written = match argument {
        _ if verb == 'T' => {
            spec.pad(out, spec.truncate(argument.type_name()));
            true
        }
        Argument::Int(number) => write_int(out, spec, *number, verb),
        Argument::Big(is_negative, digits) => {
            write_big(out, spec, *is_negative, digits, verb);
            true
        }
        Argument::Float(number) => write_float(out, spec, *number, verb),
        Argument::Text(text) => write_text(out, spec, text, verb),
    };
    if !is_written {
        out.push_str(&format!("%!{verb}({}=", argument.type_name()));
        write(out, spec, argument, 'v');
        out.push(')');
    }
}

fn write_text(out: &mut String, spec: &Spec, text: &str, verb: char) -> bool {
    match verb {
        'q' => write_quoted(out, spec, text),
        'v' if spec.sharp_v => write_quoted(out, spec, text),
        'v' | 's' => spec.pad(out, spec.truncate(text)),
        'x' => write_bytes(out, spec, text, false),
        'X' => write_bytes(out, spec, text, true),
        _ => return false,
    }
    true
}

fn write_quoted(out: &mut String, spec: &Spec, text: &str) {
    let text = spec.truncate(text);
    let quoted =
        if spec.sharp && quote::can_be_raw(text) { format!("`{text}`") } else { quote::go_string(text, spec.plus) };
    spec.pad(out, &quoted);
}

fn write_bytes(out: &mut String, spec: &Spec, text: &str, is_upper: bool) {
    let bytes = &text.as_bytes()[..spec.precision.unwrap_or(text.len()).min(text.len())];
    let prefix = match (spec.sharp && !bytes.is_empty(), is_upper) {
        (false, _) => "",
        (true, false) => "0x",
        (true, true) => "0X",
    };
    let hex = |bytes: &[u8]| if is_upper { hex::encode_upper(bytes) } else { hex::encode(bytes) };
    let written = if spec.space {
        let each: Vec<_> = bytes.iter().map(|byte| format!("{prefix}{}", hex(&[*byte]))).collect();
        each.join(" ")
    } else {
        format!("{prefix}{}", hex(bytes))
    };
    spec.pad(out, &written);
}

fn write_int(out: &mut String, spec: &Spec, number: i64, verb: char) -> bool {
    let magnitude = number.unsigned_abs();
    let digits = match verb {
        'v' | 'd' => magnitude.to_string(),
        'b' => format!("{magnitude:b}"),
        'o' | 'O' => format!("{magnitude:o}"),
        'x' => format!("{magnitude:x}"),
        'X' => format!("{magnitude:X}"),
        'c' => {
            let mut text = [0; 4];
            spec.pad(out, character(number).encode_utf8(&mut text));
            return true;
        }
        'q' => {
            spec.pad(out, &quote::go_char(character(number), spec.plus));
            return true;
        }
        'U' => {
            write_code_point(out, spec, number);
            return true;
        }
        _ => return false,
    };
    if spec.precision == Some(0) && number == 0 {
        spec.pad_with_blanks(out, "");
        return true;
    }
    let sign = match (number < 0, spec.plus, spec.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (.., true) => " ",
        _ => "",
    };
    let least = match (spec.precision, spec.width) {
        (Some(precision), _) => precision,
        (None, Some(width)) if spec.zero && !spec.minus => width.saturating_sub(sign.len()),
        _ => 0,
    };
    let digits = with_zeros(&digits, least);
    let prefix = match verb {
        'O' => "0o",
        'b' if spec.sharp => "0b",
        'o' if spec.sharp && !digits.starts_with('0') => "0",
        'x' if spec.sharp => "0x",
        'X' if spec.sharp => "0X",
        _ => "",
    };
    let prefix = if verb == 'O' && spec.sharp && !digits.starts_with('0') { "0o0" } else { prefix };
    spec.pad_with_blanks(out, &format!("{sign}{prefix}{digits}"));
    true
}

/// The character with this number; what is none becomes the replacement character.
fn character(number: i64) -> char {
    u32::try_from(number).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn write_code_point(out: &mut String, spec: &Spec, number: i64) {
    let least = spec.precision.unwrap_or(4).max(4);
    let mut text = format!("U+{}", with_zeros(&format!("{:X}", number.cast_unsigned()), least));
    let c = u32::try_from(number).ok().and_then(char::from_u32);
    if let Some(c) = c.filter(|c| spec.sharp && quote::is_printable(*c)) {
        text.push_str(&format!(" '{c}'"));
    }
    spec.pad_with_blanks(out, &text);
}

fn write_big(out: &mut String, spec: &Spec, is_negative: bool, digits: &str, verb: char) {
    let base = match verb {
        'b' => 2,
        'o' | 'O' => 8,
        'd' | 's' | 'v' => 10,
        'x' | 'X' => 16,
        _ => {
            let sign = if is_negative { "-" } else { "" };
            return out.push_str(&format!("%!{verb}(big.Int={sign}{digits})"));
        }
    };
    let mut digits = in_base(digits, base);
    if verb == 'X' {
        digits.make_ascii_uppercase();
    }
    let sign = match (is_negative, spec.plus, spec.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (.., true) => " ",
        _ => "",
    };
    let prefix = match verb {
        'O' => "0o",
        'b' if spec.sharp => "0b",
        'o' if spec.sharp => "0",
        'x' if spec.sharp => "0x",
        'X' if spec.sharp => "0X",
        _ => "",
    };
    let mut zeros = spec.precision.unwrap_or(0).saturating_sub(digits.len());
    let len = sign.len() + prefix.len() + zeros + digits.len();
    if spec.zero && !spec.minus && spec.precision.is_none() {
        zeros = spec.width.unwrap_or(0).saturating_sub(len);
    }
    spec.pad_with_blanks(out, &format!("{sign}{prefix}{}{digits}", "0".repeat(zeros)));
}

/// Digits of a decimal number in another base.
fn in_base(decimal: &str, base: u32) -> String {
    if base == 10 {
        return decimal.to_owned();
    }
    let mut number: Vec<u32> = decimal.bytes().map(|digit| u32::from(digit - b'0')).collect();
    let mut digits = Vec::new();
    while !number.is_empty() {
        let mut remainder = 0;
        for digit in &mut number {
            let value = remainder * 10 + *digit;
            *digit = value / base;
            remainder = value % base;
        }
        digits.extend(char::from_digit(remainder, base));
        let leading = number.iter().take_while(|digit| **digit == 0).count();
        number.drain(..leading);
    }
    digits.iter().rev().collect()
}

fn write_float(out: &mut String, spec: &Spec, number: f64, verb: char) -> bool {
    let precision = spec.precision;
    let text = match verb {
        'v' | 'g' => general(number.abs(), precision, 'e'),
        'G' => general(number.abs(), precision, 'E'),
        'e' | 'E' => exponential(number.abs(), Some(precision.unwrap_or(6)), verb),
        'f' | 'F' => fixed(number.abs(), precision.unwrap_or(6)),
        'b' => binary(number.abs()),
        'x' | 'X' => hexadecimal(number.abs(), precision, verb == 'X'),
        _ => return false,
    };
    let text = if spec.sharp && verb != 'b' { with_point(&text, precision, verb) } else { text };
    let sign = match (number.is_sign_negative(), spec.plus, spec.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (.., true) => " ",
        _ => "",
    };
    if spec.zero && !spec.minus {
        let least = spec.width.unwrap_or(0).saturating_sub(sign.len());
        out.push_str(sign);
        out.push_str(&with_zeros(&text, least));
    } else {
        spec.pad_with_blanks(out, &format!("{sign}{text}"));
    }
    true
}

fn fixed(number: f64, precision: usize) -> String {
    let written = precision.min(MAX_DECIMALS);
    format!("{number:.written$}") + "0".repeat(precision - written).as_str()
}

/// `1.5e+06`: at least two digits of exponent.
fn exponential(number: f64, precision: Option<usize>, mark: char) -> String {
    let text = match precision {
        Some(precision) => {
            let written = precision.min(MAX_DECIMALS);
            let text = format!("{number:.written$e}");
            let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            format!("{mantissa}{}e{exponent}", "0".repeat(precision - written))
        }
        None => format!("{number:e}"),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}{mark}{sign}{digits:0>2}")
}

/// A floating-point number with as few digits as tell it from its neighbours, of 32 bits if `is_single`.
pub(super) fn shortest(number: f64, is_single: bool) -> String {
    let sign = if number.is_sign_negative() { "-" } else { "" };
    let magnitude = number.abs();
    // The shortest digits of a single are those of its own type.
    let magnitude = if is_single { (magnitude as f32).to_string().parse().unwrap_or(magnitude) } else { magnitude };
    format!("{sign}{}", general(magnitude, None, 'e'))
}

/// The shortest of both notations, as `%g` takes it.
fn general(number: f64, precision: Option<usize>, mark: char) -> String {
    let digits = precision.map(|precision| precision.max(1));
    let scientific = exponential(number, digits.map(|digits| digits - 1), 'e');
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let significant = mantissa.trim_end_matches('0').trim_end_matches('.').replace('.', "");
    let count = i32::try_from(significant.len()).unwrap_or(i32::MAX);
    let threshold = match digits {
        None => 6,
        Some(digits) => {
            let digits = i32::try_from(digits).unwrap_or(i32::MAX);
            if digits > count && count > exponent { count } else { digits }
        }
    };
    if exponent < -4 || exponent >= threshold {
        let mantissa =
            if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}{mark}{sign}{:02}", exponent.unsigned_abs());
    }
    let decimals = usize::try_from(count - 1 - exponent).unwrap_or(0);
    let point = usize::try_from(exponent + 1).unwrap_or(0);
    if exponent < 0 {
        let zeros = "0".repeat(usize::try_from(-exponent - 1).unwrap_or(0));
        if significant == "0" || significant.is_empty() { "0".into() } else { format!("0.{zeros}{significant}") }
    } else if decimals == 0 {
        with_zeros_behind(&significant, point)
    } else {
        format!("{}.{}", &significant[..point], &significant[point..])
    }
}

/// `%b`: mantissa and power of two.
fn binary(number: f64) -> String {
    let (mantissa, exponent) = parts(number);
    format!("{mantissa}p{exponent:+}")
}

fn parts(number: f64) -> (u64, i64) {
    let bits = number.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    match (bits >> 52) & 0x7ff {
        0 => (fraction, -1074),
        exponent => (fraction | 1 << 52, exponent.cast_signed() - 1075),
    }
}

/// `0x1.8p+01`.
fn hexadecimal(number: f64, precision: Option<usize>, is_upper: bool) -> String {
    let (mut mantissa, mut exponent) = parts(number);
    if mantissa == 0 {
        exponent = 0;
    } else {
        let shift = mantissa.leading_zeros() - 11;
        mantissa <<= shift;
        exponent += 52 - i64::from(shift);
    }
    if let Some(precision) = precision.filter(|precision| *precision < 13) {
        let dropped = (13 - precision) * 4;
        let (half, rest) = (1_u64 << (dropped - 1), mantissa & ((1 << dropped) - 1));
        mantissa >>= dropped;
        mantissa += u64::from(rest > half || (rest == half && mantissa & 1 == 1));
        mantissa <<= dropped;
        if mantissa >> 53 == 1 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let fraction = format!("{:013x}", mantissa & ((1 << 52) - 1));
    let fraction = match precision {
        None => fraction.trim_end_matches('0').to_owned(),
        Some(precision) => with_zeros_behind(&fraction, precision)[..precision].to_owned(),
    };
    let point = if fraction.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    let text = format!("0x{}{point}{fraction}p{sign}{:02}", mantissa >> 52, exponent.unsigned_abs());
    if is_upper { text.to_uppercase() } else { text }
}

/// What `#` asks of a floating-point number: always a point, and for some verbs all digits.
fn with_point(text: &str, precision: Option<usize>, verb: char) -> String {
    let is_hexadecimal = matches!(verb, 'x' | 'X');
    let end = text.find(if is_hexadecimal { ['p', 'P'] } else { ['e', 'E'] }).unwrap_or(text.len());
    let (number, tail) = text.split_at(end);
    let mut digits = if matches!(verb, 'v' | 'g' | 'G' | 'x') { precision.unwrap_or(6) } else { 0 };
    let significant = number.chars().filter(|c| *c != '.').skip_while(|c| *c == '0').count();
    digits = digits.saturating_sub(significant);
    let mut number = number.to_owned();
    if !number.contains('.') {
        if number == "0" {
            digits = digits.saturating_sub(1);
        }
        number.push('.');
    }
    number + "0".repeat(digits).as_str() + tail
}
