//! A scanner that understands as much of Rust's grammar as is needed to find paths.

/// The parts of a source file that the check needs.
#[derive(Debug, Default)]
pub(crate) struct Module {
    /// Modules that have their own files, except tests.
    pub(crate) children: Vec<String>,
    /// `pub use` of items of the file's own modules: the item's name and the module.
    pub(crate) exports: Vec<(String, String)>,
    /// The references with their lines.
    pub(crate) references: Vec<(usize, Reference)>,
}

/// A path in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reference {
    /// A path from the crate's root, by its first name.
    Root(String),
    /// The first name of a path that is not relative. It may be another crate.
    Crate(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    line: usize,
    text: String,
}

impl Module {
    /// Parses a file whose module is `depth` levels below the root.
    pub(crate) fn parse(text: &str, depth: usize) -> Self {
        let mut reader =
            Reader { tokens: tokens(text), at: 0, depth, inline: Vec::new(), braces: 0, module: Self::default() };
        reader.read();
        reader.module
    }
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    /// The brace depth at which each open inline module began.
    inline: Vec<usize>,
    braces: usize,
    module: Module,
}

impl Reader {
    fn peek(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", |token| &token.text)
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).map_or(0, |token| token.line)
    }

    fn next(&mut self) -> String {
        let text = self.peek(0).to_owned();
        self.at += 1;
        text
    }

    fn read(&mut self) {
        while self.at < self.tokens.len() {
            match self.peek(0) {
                "#" if self.is_test_only() => self.skip_item(),
                "mod" if self.peek(2) == ";" => {
                    let name = self.peek(1).to_owned();
                    self.module.children.push(name);
                    self.at += 3;
                }
                "mod" if self.peek(2) == "{" => {
                    self.inline.push(self.braces);
                    self.braces += 1;
                    self.at += 3;
                }
                "use" => {
                    let exported = self.at > 0 && self.tokens[self.at - 1].text == "pub";
                    self.at += 1;
                    self.tree(&mut Vec::new(), exported);
                }
                "{" => {
                    self.braces += 1;
                    self.at += 1;
                }
                "}" => {
                    self.braces -= 1;
                    if self.inline.last() == Some(&self.braces) {
                        self.inline.pop();
                    }
                    self.at += 1;
                }
                first if is_name(first) && self.peek(1) == "::" && self.follows_no_path() => self.path(),
                _ => self.at += 1,
            }
        }
    }

    /// Returns true if the current token begins a path: `::name` does; `a::name` and `<T>::name` continue one.
    fn follows_no_path(&self) -> bool {
        let before = |back: usize| self.at.checked_sub(back).map_or("", |at| self.tokens[at].text.as_str());
        before(1) != "::" || !(is_name(before(2)) || before(2) == ">")
    }

    /// Reads a path outside a `use`. Only its first names matter.
    fn path(&mut self) {
        let mut names = Vec::new();
        let line = self.line();
        while is_name(self.peek(0)) {
            names.push(self.next());
            if self.peek(0) != "::" {
                break;
            }
            self.at += 1;
        }
        self.note(line, &names);
    }

    /// Reads the tree of a `use` below the path `start`.
    fn tree(&mut self, start: &mut Vec<String>, exported: bool) {
        let length = start.len();
        let line = self.line();
        loop {
            match self.peek(0) {
                "::" => self.at += 1,
                "{" => {
                    self.at += 1;
                    while !matches!(self.peek(0), "}" | "") {
                        self.tree(start, exported);
                        if self.peek(0) == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    break;
                }
                "as" => {
                    self.at += 1;
                    let name = self.next();
                    self.leaf(line, start, name, exported);
                    break;
                }
                "*" => {
                    self.at += 1;
                    self.leaf(line, start, "*".to_owned(), exported);
                    break;
                }
                name if is_name(name) => start.push(self.next()),
                _ => {
                    let name = start.last().cloned().unwrap_or_default();
                    self.leaf(line, start, name, exported);
                    break;
                }
            }
        }
        start.truncate(length);
    }

    fn leaf(&mut self, line: usize, path: &[String], name: String, exported: bool) {
        let inline = self.inline.is_empty();
        if let (true, true, [from, _, ..]) = (exported, inline, path) {
            self.module.exports.push((name, from.clone()));
        }
        self.note(line, path);
    }

    fn note(&mut self, line: usize, path: &[String]) {
        let mut depth = self.depth + self.inline.len();
        let mut names = path.iter().map(String::as_str).peekable();
        let reference = match names.peek() {
            Some(&"crate") => names.nth(1).map(|name| Reference::Root(name.to_owned())),
            Some(&("self" | "super")) => {
                while let Some(name) = names.next_if(|name| matches!(*name, "self" | "super")) {
                    depth = depth.saturating_sub(usize::from(name == "super"));
                }
                names.next().filter(|_| depth == 0).map(|name| Reference::Root(name.to_owned()))
            }
            Some(name) => Some(Reference::Crate((*name).to_owned())),
            None => None,
        };
        let reference = reference.map(|reference| (line, reference));
        self.module.references.extend(reference.filter(|reference| self.module.references.last() != Some(reference)));
    }

    fn is_test_only(&self) -> bool {
        (0..6).map(|ahead| self.peek(ahead)).eq(["#", "[", "cfg", "(", "test", ")"])
    }

    /// Skips attributes and the item after them.
    fn skip_item(&mut self) {
        while self.peek(0) == "#" {
            self.skip_group();
        }
        loop {
            match self.peek(0) {
                "" => return,
                ";" => return self.at += 1,
                "{" => {
                    let is_use = self.tokens[..self.at].last().is_some_and(|token| token.text == "::");
                    self.skip_group();
                    if !is_use {
                        return;
                    }
                }
                _ => self.at += 1,
            }
        }
    }

    /// Skips to the end of the next bracketed group.
    fn skip_group(&mut self) {
        let mut open = 0;
        while self.at < self.tokens.len() {
            match self.next().as_str() {
                "{" | "(" | "[" => open += 1,
                "}" | ")" | "]" => open -= 1,
                _ => continue,
            }
            if open == 0 {
                return;
            }
        }
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Splits the text into names and signs, without comments and literals.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while let Some(first) = rest.chars().next() {
        let mut push = |text: &str| tokens.push(Token { line, text: text.to_owned() });
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            comment(rest)
        } else if let Some(length) = raw_string(rest) {
            length
        } else if first == '"' {
            quoted(rest, '"')
        } else if first == '\'' {
            // A lifetime has no quote after its first letter.
            let mut letters = rest[1..].chars();
            match (letters.next(), letters.next()) {
                (Some('\\'), _) | (Some(_), Some('\'')) => quoted(rest, '\''),
                _ => 1,
            }
        } else if first.is_alphanumeric() || first == '_' {
            let end = |letter: char| !(letter.is_alphanumeric() || letter == '_');
            let length = rest.find(end).unwrap_or(rest.len());
            push(&rest[..length]);
            length
        } else if rest.starts_with("::") {
            push("::");
            2
        } else {
            if !first.is_whitespace() {
                push(&rest[..first.len_utf8()]);
            }
            first.len_utf8()
        };
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    tokens
}

/// Returns the length of a block comment, nested ones included.
fn comment(text: &str) -> usize {
    let (mut open, mut at) = (0, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            open += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            open -= 1;
            at += 2;
            if open == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// Returns the length of a raw string, if the text begins with one.
fn raw_string(text: &str) -> Option<usize> {
    let start = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = start.len() - start.trim_start_matches('#').len();
    let body = start[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(text.len() - body.len() + length)
}

/// Returns the length of a quoted literal.
fn quoted(text: &str, quote: char) -> usize {
    let mut letters = text.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        if letter == '\\' {
            letters.next();
        } else if letter == quote {
            return at + quote.len_utf8();
        }
    }
    text.len()
}
