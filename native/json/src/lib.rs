//! One strict JSON reader: bytes to a flat array of nodes and one text.
//! The manual is `include/dmgn_json.h`.  The grammar is the crate jiter's;
//! the tree, its limits and the refusal of duplicate keys are here.

pub mod ffi;

use jiter::{Jiter, JiterError, JiterErrorType, JsonErrorType, Peek};

#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Null = 0,
    False = 1,
    True = 2,
    Number = 3,
    String = 4,
    Array = 5,
    Object = 6,
}

/// `dmgn_json_node_t`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Node {
    pub kind: Kind,
    pub off: u32,
    pub sz: u32,
    pub cnt: u32,
    pub next: u32,
    pub at: u32,
}

#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Code {
    Syntax = 1,
    Utf8 = 2,
    Duplicate = 3,
    Trailing = 4,
    Depth = 5,
    Nodes = 6,
    Size = 7,
    Eof = 8,
}

#[derive(Debug)]
pub struct Failure {
    pub code: Code,
    pub at: usize,
    pub text: String,
}

pub const DEPTH_MAX: u32 = 1024;

/// An array or object that is not closed yet.
struct Open {
    node: u32,
    is_object: bool,
    /// Where its keys start in `Reader::keys`.
    keys_from: usize,
}

#[derive(Default)]
pub struct Reader {
    pub nodes: Vec<Node>,
    pub text: Vec<u8>,
    open: Vec<Open>,
    /// Nodes of the keys of all open objects.
    keys: Vec<u32>,
    tape: Vec<u8>,
}

/// What comes next in the open array or object.
enum Step {
    Value(Peek),
    Key,
    End,
}

impl Reader {
    pub fn parse(&mut self, bytes: &[u8], depth_max: u32, nodes_max: u32) -> Result<(), Failure> {
        self.clear();
        let result = self.read(bytes, depth_max.clamp(1, DEPTH_MAX) as usize, nodes_max as usize);
        if result.is_err() {
            self.clear();
        }
        result
    }

    fn clear(&mut self) {
        self.nodes.clear();
        self.text.clear();
        self.open.clear();
        self.keys.clear();
    }

    fn read(&mut self, bytes: &[u8], depth_max: usize, nodes_max: usize) -> Result<(), Failure> {
        if u32::try_from(bytes.len()).is_err() {
            return Err(Failure {
                code: Code::Size,
                at: 0,
                text: "the input has 4 GiB or more".into(),
            });
        }
        let mut json = Jiter::with_tape(bytes, std::mem::take(&mut self.tape));
        let result = self.read_value(bytes, &mut json, depth_max, nodes_max);
        self.tape = json.into_tape();
        result
    }

    fn read_value(
        &mut self,
        bytes: &[u8],
        json: &mut Jiter<'_>,
        depth_max: usize,
        nodes_max: usize,
    ) -> Result<(), Failure> {
        let mut peek = json.peek().map_err(|e| failure(&e))?;
        loop {
            // One value, or the start of one.
            let at = json.current_index();
            if self.nodes.len() >= nodes_max {
                return Err(Failure {
                    code: Code::Nodes,
                    at,
                    text: format!("more than {nodes_max} values and keys"),
                });
            }
            let mut step = match peek {
                Peek::Array | Peek::Object => {
                    if self.open.len() >= depth_max {
                        return Err(Failure {
                            code: Code::Depth,
                            at,
                            text: format!("nested deeper than {depth_max}"),
                        });
                    }
                    let is_object = peek == Peek::Object;
                    let node = self.push(if is_object { Kind::Object } else { Kind::Array }, at);
                    self.open.push(Open {
                        node,
                        is_object,
                        keys_from: self.keys.len(),
                    });
                    if is_object {
                        self.key(bytes, json, true, nodes_max)?
                    } else {
                        element(json.known_array())?
                    }
                }
                _ => {
                    self.scalar(json, peek, at)?;
                    self.step(bytes, json, nodes_max)?
                }
            };
            // Then what follows it, up to the next value.
            loop {
                match step {
                    Step::Value(next) => {
                        peek = next;
                        break;
                    }
                    Step::Key => {
                        peek = json.peek().map_err(|e| failure(&e))?;
                        break;
                    }
                    Step::End => {
                        if self.open.is_empty() {
                            return json.finish().map_err(|e| failure(&e));
                        }
                        self.close()?;
                        step = self.step(bytes, json, nodes_max)?;
                    }
                }
            }
        }
    }

    fn push(&mut self, kind: Kind, at: usize) -> u32 {
        let idx = short(self.nodes.len());
        self.nodes.push(Node {
            kind,
            off: 0,
            sz: 0,
            cnt: 0,
            next: idx + 1,
            at: short(at),
        });
        idx
    }

    fn push_text(&mut self, kind: Kind, at: usize, bytes: &[u8]) -> u32 {
        let idx = self.push(kind, at);
        let off = short(self.text.len());
        self.text.extend_from_slice(bytes);
        if let Some(node) = self.nodes.last_mut() {
            node.off = off;
            node.sz = short(bytes.len());
        }
        idx
    }

    fn scalar(&mut self, json: &mut Jiter<'_>, peek: Peek, at: usize) -> Result<(), Failure> {
        match peek {
            Peek::Null => {
                json.known_null().map_err(|e| failure(&e))?;
                self.push(Kind::Null, at);
            }
            Peek::True | Peek::False => {
                let is_true = json.known_bool(peek).map_err(|e| failure(&e))?;
                self.push(if is_true { Kind::True } else { Kind::False }, at);
            }
            Peek::String => {
                let text = json.known_str().map_err(|e| failure(&e))?;
                self.push_text(Kind::String, at, text.as_bytes());
            }
            _ => {
                // jiter reports what is no value at all as a wrong type here.
                let text = json.known_number_bytes(peek).map_err(|e| failure(&e))?;
                self.push_text(Kind::Number, at, text);
            }
        }
        Ok(())
    }

    /// After a value: the next one of what is open.
    fn step(&mut self, bytes: &[u8], json: &mut Jiter<'_>, nodes_max: usize) -> Result<Step, Failure> {
        match self.open.last() {
            None => Ok(Step::End),
            Some(Open {
                is_object: true, node, ..
            }) => {
                let node = *node as usize;
                self.count(node);
                self.key(bytes, json, false, nodes_max)
            }
            Some(Open { node, .. }) => {
                let node = *node as usize;
                self.count(node);
                element(json.array_step())
            }
        }
    }

    fn count(&mut self, node: usize) {
        if let Some(node) = self.nodes.get_mut(node) {
            node.cnt += 1;
        }
    }

    fn key(&mut self, bytes: &[u8], json: &mut Jiter<'_>, is_first: bool, nodes_max: usize) -> Result<Step, Failure> {
        // jiter tells where it is only after the colon: find the quote for messages.
        let from = json.current_index() + usize::from(is_first);
        let rest = bytes.get(from..).unwrap_or_default();
        let skip = rest
            .iter()
            .take_while(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n' | b','))
            .count();
        let at = from + skip;
        let key = if is_first { json.known_object() } else { json.next_key() };
        let Some(key) = key.map_err(|e| failure(&e))? else {
            return Ok(Step::End);
        };
        if self.nodes.len() >= nodes_max {
            return Err(Failure {
                code: Code::Nodes,
                at,
                text: format!("more than {nodes_max} values and keys"),
            });
        }
        let idx = self.push_text(Kind::String, at, key.as_bytes());
        self.keys.push(idx);
        Ok(Step::Key)
    }

    fn key_text(&self, idx: u32) -> &[u8] {
        self.nodes
            .get(idx as usize)
            .and_then(|node| self.text.get(node.off as usize..node.off as usize + node.sz as usize))
            .unwrap_or_default()
    }

    fn close(&mut self) -> Result<(), Failure> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let end = short(self.nodes.len());
        if let Some(node) = self.nodes.get_mut(open.node as usize) {
            node.next = end;
        }
        if open.is_object {
            let duplicate = self.duplicate(open.keys_from);
            self.keys.truncate(open.keys_from);
            if let Some(idx) = duplicate {
                let at = self.nodes.get(idx as usize).map_or(0, |node| node.at as usize);
                return Err(Failure {
                    code: Code::Duplicate,
                    at,
                    text: "the same key twice in one object".into(),
                });
            }
        }
        Ok(())
    }

    /// The second node of the first pair of equal keys.
    fn duplicate(&mut self, from: usize) -> Option<u32> {
        let keys = self.keys.get(from..).unwrap_or_default();
        if keys.len() <= 8 {
            let is_seen = |(i, idx): (usize, &u32)| {
                keys.iter()
                    .take(i)
                    .any(|other| self.key_text(*other) == self.key_text(*idx))
                    .then_some(*idx)
            };
            return keys.iter().enumerate().find_map(is_seen);
        }
        // Sorting has no bad case that an attacker could aim at, unlike a table.
        let mut sorted = keys.to_vec();
        sorted.sort_by(|a, b| self.key_text(*a).cmp(self.key_text(*b)).then(a.cmp(b)));
        let pairs = sorted.iter().zip(sorted.iter().skip(1));
        pairs
            .filter(|(a, b)| self.key_text(**a) == self.key_text(**b))
            .map(|(_, b)| *b)
            .min()
    }
}

/// Offsets and counts are below 2^32, as the input is.
fn short(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn element(next: Result<Option<Peek>, JiterError>) -> Result<Step, Failure> {
    Ok(next.map_err(|e| failure(&e))?.map_or(Step::End, Step::Value))
}

fn failure(error: &JiterError) -> Failure {
    use JsonErrorType as E;
    let (code, text) = match &error.error_type {
        JiterErrorType::WrongType { .. } => (Code::Syntax, "expected value".into()),
        JiterErrorType::JsonError(kind) => {
            let code = match kind {
                E::EofWhileParsingList
                | E::EofWhileParsingObject
                | E::EofWhileParsingString
                | E::EofWhileParsingValue => Code::Eof,
                E::InvalidUnicodeCodePoint | E::LoneLeadingSurrogateInHexEscape | E::UnexpectedEndOfHexEscape => {
                    Code::Utf8
                }
                E::TrailingCharacters => Code::Trailing,
                _ => Code::Syntax,
            };
            (code, kind.to_string())
        }
    };
    Failure {
        code,
        at: error.index,
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Result<Reader, Failure> {
        let mut reader = Reader::default();
        reader.parse(bytes, 16, 1000)?;
        Ok(reader)
    }

    /// The tree as text again, to compare.
    fn show(r: &Reader) -> String {
        fn one(r: &Reader, idx: usize, out: &mut String) -> usize {
            let node = r.nodes[idx];
            let text = || String::from_utf8_lossy(&r.text[node.off as usize..][..node.sz as usize]).into_owned();
            let mut at = idx + 1;
            match node.kind {
                Kind::Null => out.push_str("null"),
                Kind::False => out.push_str("false"),
                Kind::True => out.push_str("true"),
                Kind::Number => out.push_str(&text()),
                Kind::String => out.push_str(&format!("{:?}", text())),
                Kind::Array => {
                    out.push('[');
                    for i in 0..node.cnt {
                        out.push_str(if i > 0 { "," } else { "" });
                        at = one(r, at, out);
                    }
                    out.push(']');
                }
                Kind::Object => {
                    out.push('{');
                    for i in 0..node.cnt {
                        out.push_str(if i > 0 { "," } else { "" });
                        at = one(r, at, out);
                        out.push(':');
                        at = one(r, at, out);
                    }
                    out.push('}');
                }
            }
            assert_eq!(at, node.next as usize);
            at
        }
        let mut out = String::new();
        assert_eq!(one(r, 0, &mut out), r.nodes.len());
        out
    }

    #[test]
    fn legal_table() {
        for (bytes, want) in [
            ("null", "null"),
            (" \t\r\n[ ] ", "[]"),
            ("{}", "{}"),
            (r#"{"a":[1,"x"]}"#, r#"{"a":[1,"x"]}"#),
            (
                r#" { "b" : { "a" : true , "b" : [ [ ] , { } , false ] } , "a" : -0 } "#,
                r#"{"b":{"a":true,"b":[[],{},false]},"a":-0}"#,
            ),
            // numbers keep every byte
            (
                "[9007199254740993,18446744073709551616,-1,0,1.0,1.50,1e5,1E+05,0e-1,-0.0]",
                "[9007199254740993,18446744073709551616,-1,0,1.0,1.50,1e5,1E+05,0e-1,-0.0]",
            ),
            ("1e999999", "1e999999"),
            // strings
            (
                r#""\u00e9\ud83d\ude00\"\\\/\b\f\n\r\t\u0000""#,
                "\"é😀\\\"\\\\/\\u{8}\\u{c}\\n\\r\\t\\0\"",
            ),
            ("\"é😀\u{7f}\"", "\"é😀\\u{7f}\""),
            (r#"{"":1," ":2,"a":3,"A":4}"#, r#"{"":1," ":2,"a":3,"A":4}"#),
        ] {
            let r = parse(bytes.as_bytes()).unwrap_or_else(|e| panic!("{bytes}: {e:?}"));
            assert_eq!(show(&r), want);
        }
    }

    #[test]
    fn illegal_table() {
        for (bytes, code, at) in [
            (&b""[..], Code::Eof, 0),
            (b"  ", Code::Eof, 2),
            (b"[", Code::Eof, 1),
            (b"[1", Code::Eof, 2),
            (b"[1,", Code::Eof, 3),
            (b"{\"a\"", Code::Eof, 4),
            (b"{\"a\":", Code::Eof, 5),
            (b"\"ab", Code::Eof, 3),
            (b"\"\\", Code::Eof, 2),
            (b"nul", Code::Eof, 3),
            (b"-", Code::Eof, 1),
            (b"1 1", Code::Trailing, 2),
            (b"{}x", Code::Trailing, 2),
            (b"[]]", Code::Trailing, 2),
            (b"null\0", Code::Trailing, 4),
            (b"01", Code::Syntax, 1),
            (b"-01", Code::Syntax, 2),
            (b"+1", Code::Syntax, 0),
            (b"1.", Code::Eof, 2),
            (b"[1.]", Code::Syntax, 3),
            (b".5", Code::Syntax, 0),
            (b"[1e]", Code::Syntax, 3),
            (b"0x1", Code::Trailing, 1),
            (b"NaN", Code::Syntax, 0),
            (b"[Infinity]", Code::Syntax, 1),
            (b"-Infinity", Code::Syntax, 1),
            (b"nan", Code::Syntax, 1),
            (b"True", Code::Syntax, 0),
            (b"[1,]", Code::Syntax, 3),
            (b"[,1]", Code::Syntax, 1),
            (b"[1 2]", Code::Syntax, 3),
            (b"{\"a\":1,}", Code::Syntax, 7),
            (b"{,}", Code::Syntax, 1),
            (b"{a:1}", Code::Syntax, 1),
            (b"{'a':1}", Code::Syntax, 1),
            (b"{1:1}", Code::Syntax, 1),
            (b"{\"a\" 1}", Code::Syntax, 5),
            (b"{\"a\":1 \"b\":2}", Code::Syntax, 7),
            (b"/**/1", Code::Syntax, 0),
            (b"1//x", Code::Trailing, 1),
            (b"\xef\xbb\xbf1", Code::Syntax, 0),
            (b"\"a\nb\"", Code::Syntax, 2),
            (b"\"\x00\"", Code::Syntax, 1),
            (b"\"\x1f\"", Code::Syntax, 1),
            (b"\"\\x\"", Code::Syntax, 2),
            (b"\"\\u12g4\"", Code::Syntax, 5),
            (b"\"\\ud800\"", Code::Utf8, 7),
            (b"\"\\udc00\"", Code::Utf8, 6),
            (b"\"\\ud800\\u0041\"", Code::Utf8, 12),
            (b"\"\xff\"", Code::Utf8, 1),
            (b"\"a\xc3\"", Code::Utf8, 2),
            (b"\"\xed\xa0\x80\"", Code::Utf8, 1), // a surrogate in UTF-8
            (b"\"\xc0\x80\"", Code::Utf8, 1),     // overlong
            (b"\"\xf4\x90\x80\x80\"", Code::Utf8, 1),
            (b"[\"ok\",\"\\n\xff\"]", Code::Utf8, 0),
            (b"{\"\xff\":1}", Code::Utf8, 2),
            (b"\xff", Code::Syntax, 0),
            (br#"{"a":1,"b":2,"a":3}"#, Code::Duplicate, 13),
            (br#"{"a":1,"\u0061":3}"#, Code::Duplicate, 7),
            (br#"[{"x":{"a":1,"a":1}}]"#, Code::Duplicate, 13),
            (br#"{"":1, "" :2}"#, Code::Duplicate, 7),
            (
                br#"{"1":0,"2":0,"3":0,"4":0,"5":0,"6":0,"7":0,"8":0,"9":0,"10":0,"5":0,"2":0}"#,
                Code::Duplicate,
                62,
            ),
        ] {
            let name = String::from_utf8_lossy(bytes);
            let e = parse(bytes).map(|r| show(&r)).expect_err(&name);
            assert_eq!(e.code, code, "{name}: {e:?}");
            if !name.contains("ok") {
                assert_eq!(e.at, at, "{name}: {e:?}");
            }
        }
        assert!(parse(br#"[{"a":1},{"a":1},{"b":{"a":1},"a":1}]"#).is_ok());
    }

    #[test]
    fn limits_hold_at_the_edge() {
        let mut r = Reader::default();
        let nested = |n: usize| [vec![b'['; n], vec![b']'; n]].concat();
        for n in [1, 2, 1024] {
            assert!(r.parse(&nested(n), n as u32, 5000).is_ok());
            let e = r.parse(&nested(n + 1), n as u32, 5000).unwrap_err();
            assert_eq!((e.code, e.at), (Code::Depth, n));
            assert!(r.nodes.is_empty() && r.text.is_empty());
        }
        assert!(r.parse(b"1", 1, 1).is_ok());
        let text = br#"{"a":[1,2],"b":{}}"#; // 7 nodes
        assert!(r.parse(text, 4, 7).is_ok());
        assert_eq!(r.nodes.len(), 7);
        for max in 0..7 {
            assert_eq!(r.parse(text, 4, max).unwrap_err().code, Code::Nodes);
        }
    }

    #[test]
    fn every_cut_of_a_document_is_an_error() {
        let text = br#"{"id":1,"a\n":[true,false,null,"\u00e9\ud83d\ude00",-1.5e-3],"p":{"q":{}}}"#;
        assert!(parse(text).is_ok());
        for cut in 0..text.len() {
            assert!(parse(&text[..cut]).is_err(), "cut {cut}");
        }
    }

    /// Random edits: what we accept, serde_json (another grammar by others) accepts with the same values.
    #[test]
    fn agrees_with_serde_json_on_random_edits() {
        let seed = std::env::var("DMG_TEST_SEED").ok().and_then(|s| s.parse().ok());
        let mut state: u64 =
            seed.unwrap_or_else(|| std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64 | 1);
        println!("DMG_TEST_SEED={state}");
        let mut random = move |n: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as usize % n
        };
        let base = br#"{"id":12,"a\n":[true,false,null,"\u00e9\ud83d\ude00x",-1.5e-3,0],"p":{"q":{},"r":""}} "#;
        let alphabet = b"\"\\u0123456789abdeEftrunls{}[]:,.-+ \n\x01\xff\xc3\xa9";
        let (mut yes, mut no, mut strict) = (0, 0, 0);
        let mut r = Reader::default();
        for _ in 0..100_000 {
            let mut text = base.to_vec();
            for _ in 0..1 + random(3) {
                let at = random(text.len());
                match random(3) {
                    0 => text[at] = alphabet[random(alphabet.len())],
                    1 => text.insert(at, alphabet[random(alphabet.len())]),
                    _ => drop(text.remove(at)),
                }
            }
            let ours = r.parse(&text, 16, 1000);
            let theirs: Result<serde_json::Value, _> = serde_json::from_slice(&text);
            match (ours, theirs) {
                (Ok(()), Ok(value)) => {
                    yes += 1;
                    let again: serde_json::Value = serde_json::from_slice(show_json(&r).as_bytes()).unwrap();
                    assert_eq!(again, value);
                }
                (Err(_), Err(_)) => no += 1,
                (Err(e), Ok(_)) => {
                    strict += 1;
                    assert_eq!(e.code, Code::Duplicate, "{e:?} {:?}", String::from_utf8_lossy(&text));
                }
                // serde_json refuses numbers beyond f64, we hand out their text.
                (Ok(()), Err(e)) => assert!(
                    e.to_string().contains("out of range"),
                    "{e} {:?}",
                    String::from_utf8_lossy(&text)
                ),
            }
        }
        println!("{yes} legal, {no} not, {strict} duplicate keys");
        assert!(yes > 1000 && no > 1000);
    }

    fn show_json(r: &Reader) -> String {
        let mut out = String::new();
        let mut ends: Vec<(u32, bool, u32)> = Vec::new(); // end, is_object, children so far
        for (i, node) in r.nodes.iter().enumerate() {
            while ends.last().is_some_and(|end| end.0 as usize == i) {
                out.push(if ends.pop().unwrap().1 { '}' } else { ']' });
            }
            if let Some((_, is_object, cnt)) = ends.last_mut() {
                out.push_str(if *cnt == 0 {
                    ""
                } else if *is_object && *cnt % 2 == 1 {
                    ":"
                } else {
                    ","
                });
                *cnt += 1;
            }
            let text = &r.text[node.off as usize..][..node.sz as usize];
            match node.kind {
                Kind::Null => out.push_str("null"),
                Kind::False => out.push_str("false"),
                Kind::True => out.push_str("true"),
                Kind::Number => out.push_str(std::str::from_utf8(text).unwrap()),
                Kind::String => out.push_str(&serde_json::to_string(std::str::from_utf8(text).unwrap()).unwrap()),
                Kind::Array => out.push('['),
                Kind::Object => out.push('{'),
            }
            if matches!(node.kind, Kind::Array | Kind::Object) {
                ends.push((node.next, node.kind == Kind::Object, 0));
            }
        }
        while let Some((_, is_object, _)) = ends.pop() {
            out.push(if is_object { '}' } else { ']' });
        }
        out
    }

    #[test]
    #[ignore = "prints figures and the strictness of the other parsers"]
    fn figures() {
        let hex = "ab".repeat(700);
        let call = format!(
            r#"{{"jsonrpc":"2.0","id":17,"method":"state_get","params":{{"key":"0x{}","at":"123456","proof":true}}}}"#,
            &hex[..64]
        );
        let submit = format!(r#"{{"jsonrpc":"2.0","id":"a1","method":"tx_submit","params":{{"tx":"0x{hex}"}}}}"#);
        let item = |i: usize| {
            format!(
                r#"{{"id":"{i}","owner":"dmg1{}","name":"sword é {i}","power":{i},"tags":["a","b",null,true],"at":[1.5,-2]}}"#,
                &hex[..58]
            )
        };
        let page = format!("[{}]", (0..1000).map(item).collect::<Vec<_>>().join(","));
        let batch = format!("[{}]", vec![call.as_str(); 100].join(","));
        let mut r = Reader::default();
        for (name, text) in [
            ("call", &call),
            ("tx_submit", &submit),
            ("batch of 100", &batch),
            ("page of 1000", &page),
        ] {
            let rounds = 20_000_000 / text.len();
            let time = |who: &str, f: &mut dyn FnMut()| {
                let t = std::time::Instant::now();
                (0..rounds).for_each(|_| f());
                let s = t.elapsed().as_secs_f64();
                let ns = s * 1e9 / rounds as f64;
                println!(
                    "{name} ({} bytes) {who}: {ns:.0} ns, {:.0} MB/s",
                    text.len(),
                    text.len() as f64 * rounds as f64 / s / 1e6
                );
            };
            time("jiter + nodes (this crate)", &mut || {
                r.parse(text.as_bytes(), 32, 100_000).unwrap()
            });
            time("simd-json tape", &mut || {
                let mut bytes = text.as_bytes().to_vec(); // it writes to its input
                std::hint::black_box(simd_json::to_tape(&mut bytes).unwrap());
            });
            time("serde_json Value", &mut || {
                std::hint::black_box(serde_json::from_str::<serde_json::Value>(text).unwrap());
            });
        }
        for text in [
            r#"{"a":1,"a":2}"#,
            "9007199254740993",
            "18446744073709551616",
            "1.10",
            "1e400",
            "-0",
            "01",
            "1 1",
            "[1,]",
            "NaN",
            "\"\\ud800\"",
            "\"a\nb\"",
            "\u{feff}1",
        ] {
            let mut bytes = text.as_bytes().to_vec();
            let simd = match simd_json::to_tape(&mut bytes) {
                Ok(tape) => format!("{:?}", tape.0),
                Err(_) => "refused".into(),
            };
            let serde = serde_json::from_str::<serde_json::Value>(text).map_or("refused".into(), |v| v.to_string());
            let ours = parse(text.as_bytes()).map_or_else(|e| format!("refused ({:?})", e.code), |r| show(&r));
            println!("{text:?}: ours {ours}, simd-json {simd}, serde_json {serde}");
        }
        let deep = "[".repeat(100_000);
        println!(
            "100,000 open brackets: ours {:?}",
            parse(deep.as_bytes()).err().unwrap().code
        );
    }
}
