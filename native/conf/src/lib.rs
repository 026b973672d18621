//! TOML as a flat list of paths with positions.
//! The manual is `include/dmgn_conf.h`; the grammar is the crate toml's.

pub mod ffi;

use std::{fmt::Write, ops::Range};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    String = 1,
    Integer = 2,
    Float = 3,
    Bool = 4,
    Datetime = 5,
    Array = 6,
    Table = 7,
}

#[derive(Debug)]
pub struct Item {
    pub path: String,
    pub kind: Kind,
    pub text: String,
    pub cnt: usize,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub col: usize,
}

#[derive(Debug)]
pub struct Failure {
    pub line: usize,
    pub col: usize,
    pub text: String,
}

pub const TEXT_MAX: usize = 16 << 20;

/// Where the lines of a text start.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Self { text, starts }
    }

    fn at(&self, offset: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = line
            .checked_sub(1)
            .and_then(|i| self.starts.get(i))
            .copied()
            .unwrap_or(0);
        let before = self.text.get(start..offset).map_or(0, |before| before.chars().count());
        (line, before + 1)
    }
}

pub fn parse(bytes: &[u8]) -> Result<Vec<Item>, Failure> {
    if bytes.len() > TEXT_MAX {
        return Err(Failure {
            line: 0,
            col: 0,
            text: format!("the text has more than {TEXT_MAX} bytes"),
        });
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(e) => {
            let valid = bytes
                .get(..e.valid_up_to())
                .and_then(|valid| std::str::from_utf8(valid).ok())
                .unwrap_or_default();
            let (line, col) = Lines::new(valid).at(valid.len());
            return Err(Failure {
                line,
                col,
                text: "the text is not UTF-8".into(),
            });
        }
    };
    let lines = Lines::new(text);
    let fail = |span: Option<Range<usize>>, why: &str| {
        let (line, col) = lines.at(span.map_or(0, |span| span.start));
        Failure {
            line,
            col,
            text: why.replace('\n', ", "),
        }
    };
    let root = DeTable::parse(text).map_err(|e| fail(e.span(), e.message()))?;
    let mut items = Vec::new();
    put_table(root.get_ref(), "", &lines, &mut items).map_err(|(span, why)| fail(Some(span), why))?;
    Ok(items)
}

type Refusal = (Range<usize>, &'static str);

fn put_table(table: &DeTable<'_>, path: &str, lines: &Lines<'_>, items: &mut Vec<Item>) -> Result<(), Refusal> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start); // the map has them by name
    for (key, value) in entries {
        let mut path = path.to_owned();
        if !path.is_empty() {
            path.push('.');
        }
        push_key(&mut path, key.get_ref());
        put(value, path, lines, items)?;
    }
    Ok(())
}

/// A key as it may stand in TOML.
fn push_key(path: &mut String, key: &str) {
    if !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        path.push_str(key);
        return;
    }
    path.push('"');
    for c in key.chars() {
        match c {
            '"' | '\\' => {
                path.push('\\');
                path.push(c);
            }
            '\n' => path.push_str("\\n"),
            '\t' => path.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(path, "\\u{:04X}", u32::from(c)); // controls have at most four digits
            }
            c => path.push(c),
        }
    }
    path.push('"');
}

fn put(value: &Spanned<DeValue<'_>>, path: String, lines: &Lines<'_>, items: &mut Vec<Item>) -> Result<(), Refusal> {
    let (line, col) = lines.at(value.span().start);
    let (kind, text, cnt) = match value.get_ref() {
        DeValue::String(text) => (Kind::String, text.to_string(), 0),
        DeValue::Integer(int) => {
            let number = i64::from_str_radix(int.as_str(), int.radix());
            let number = number.map_err(|_| (value.span(), "the integer does not fit 64 bits"))?;
            (Kind::Integer, number.to_string(), 0)
        }
        DeValue::Float(float) => (Kind::Float, float.as_str().to_owned(), 0),
        DeValue::Boolean(is_true) => (Kind::Bool, is_true.to_string(), 0),
        DeValue::Datetime(time) => (Kind::Datetime, time.to_string(), 0),
        DeValue::Array(array) => (Kind::Array, String::new(), array.len()),
        DeValue::Table(table) => (Kind::Table, String::new(), table.len()),
    };
    items.push(Item {
        path: path.clone(),
        kind,
        text,
        cnt,
        line,
        col,
    });
    match value.get_ref() {
        DeValue::Array(array) => {
            for (i, value) in array.iter().enumerate() {
                put(value, format!("{path}[{i}]"), lines, items)?;
            }
        }
        DeValue::Table(table) => put_table(table, &path, lines, items)?,
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str) -> String {
        let line = |i: Item| format!("{} {:?} {:?} {} {}:{}\n", i.path, i.kind, i.text, i.cnt, i.line, i.col);
        parse(text.as_bytes()).unwrap().into_iter().map(line).collect()
    }

    #[test]
    fn items_have_paths_and_positions() {
        let text = "\
# node
name = \"é\\n\"
z = 0x1F
[rpc]
port = 7_369
hosts = [ \"a\", 'b' ]
a.b = true
\"c.d\".\"\\u0001\" = -1.5e3
when = 1979-05-27T07:32:00Z
[[peer]]
id = 1
[[peer]]
id = { x = {}, y = [] }
";
        assert_eq!(
            show(text),
            "\
name String \"é\\n\" 0 2:8
z Integer \"31\" 0 3:5
rpc Table \"\" 5 4:1
rpc.port Integer \"7369\" 0 5:8
rpc.hosts Array \"\" 2 6:9
rpc.hosts[0] String \"a\" 0 6:11
rpc.hosts[1] String \"b\" 0 6:16
rpc.a Table \"\" 1 7:1
rpc.a.b Bool \"true\" 0 7:7
rpc.\"c.d\" Table \"\" 1 8:1
rpc.\"c.d\".\"\\u0001\" Float \"-1.5e3\" 0 8:18
rpc.when Datetime \"1979-05-27T07:32:00Z\" 0 9:8
peer Array \"\" 2 10:1
peer[0] Table \"\" 1 10:1
peer[0].id Integer \"1\" 0 11:6
peer[1] Table \"\" 1 12:1
peer[1].id Table \"\" 2 13:6
peer[1].id.x Table \"\" 0 13:12
peer[1].id.y Array \"\" 0 13:20
"
        );
        assert_eq!(show(""), "");
    }

    #[test]
    fn errors_have_positions() {
        for (text, line, col) in [
            (&b"a = 1\nb = \n"[..], 2, 5),
            (b"a = 1\n\nx = 1\na = 2\n", 4, 1),
            (b"[t]\n[t]\n", 2, 2),
            (b"a = 1\na.b = 2\n", 2, 1),
            (b"a = 9223372036854775808\n", 1, 5),
            (b"a = -9223372036854775809\n", 1, 5),
            (b"a = 0xffffffffffffffff\n", 1, 5),
            (b"a = 01\n", 1, 5),
            (b"a = \"x\n", 1, 7),
            (b"a = \"\\q\"\n", 1, 7),
            (b"\xc3\xa9 = 1\n", 1, 1),
            (b"a = \"\xc3\xa9\xff\"\n", 1, 7),
            (b"a = nope\n", 1, 5),
            (b"a 1\n", 1, 3),
            (b"= 1\n", 1, 1),
            (b"a = [1, 2\n", 1, 10),
        ] {
            let name = String::from_utf8_lossy(text);
            let e = parse(text).map(|items| format!("{items:?}")).expect_err(&name);
            assert_eq!((e.line, e.col), (line, col), "{name:?}: {e:?}");
            assert!(!e.text.is_empty() && !e.text.contains('\n'));
        }
        assert!(parse("a = -9223372036854775808".as_bytes()).is_ok());
    }

    #[test]
    fn size_and_depth_are_bounded() {
        let mut text = vec![b'#'; TEXT_MAX];
        assert!(parse(&text).is_ok());
        text.push(b'#');
        assert_eq!(parse(&text).unwrap_err().line, 0);
        let nested = |n: usize| format!("a = {}{}", "[".repeat(n), "]".repeat(n)).into_bytes();
        assert!(parse(&nested(40)).is_ok());
        assert!(parse(&nested(100)).is_err());
        assert!(parse(&nested(1_000_000)).is_err());
    }

    #[test]
    fn random_bytes_never_panic() {
        let base = b"a = 1\n[t]\nb.c = [1, {x = \"y\"}]\n[[q]]\nz = 1979-05-27\n";
        let alphabet = b"[]{}=.,\"'\\\n #ab019-_+:Ti\xc3\xa9\xff\x00";
        let mut state = 88_172_645_463_325_252u64;
        let mut random = move |n: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as usize % n
        };
        for _ in 0..20_000 {
            let mut text = base.to_vec();
            for _ in 0..1 + random(4) {
                let at = random(text.len());
                text[at] = alphabet[random(alphabet.len())];
            }
            let _ = parse(&text);
        }
    }
}
