// Package severity tells which lines of a program's output are about errors,
// whatever language and logger wrote them. It is pure, and must never import a
// room of plat.
package severity

import (
	"encoding/json"
	"strconv"
	"strings"
)

// IsError reports whether a line of output tells of an error: a JSON line by its
// level, which is error or worse (of pino's and bunyan's numbers 50 or more),
// whatever its message; any other line by a word that stands by itself, such as
// ERROR, or by what a language prints before a stack. It is a rule of thumb, and
// plat ps and plat logs --errors go by the same.
func IsError(text string) bool {
	if trimmed := strings.TrimLeft(text, " \t"); strings.HasPrefix(trimmed, "{") {
		var fields struct {
			Level, Severity, Lvl, LevelName, LogLevel json.RawMessage
		}
		if json.Unmarshal([]byte(trimmed), &fields) == nil {
			for _, level := range []json.RawMessage{fields.Level, fields.Severity, fields.Lvl, fields.LevelName, fields.LogLevel} {
				if level != nil && string(level) != "null" {
					return errorLevel(level)
				}
			}
			return false
		}
	}
	return plainError(text)
}

// errorLevel reads a level as loggers write it: a word (slog, zap, logrus,
// Python), or a number of the scale of bunyan and pino, where error is 50.
func errorLevel(raw json.RawMessage) bool {
	if n, err := strconv.ParseFloat(string(raw), 64); err == nil {
		return n >= 50
	}
	var word string
	if json.Unmarshal(raw, &word) != nil {
		return false
	}
	word, _, _ = strings.Cut(strings.ToUpper(word), "+") // slog writes ERROR+4
	switch word {
	case "ERROR", "ERR", "SEVERE", "FATAL", "PANIC", "DPANIC", "CRITICAL", "CRIT", "ALERT", "EMERG", "EMERGENCY":
		return true
	}
	return false
}

// What a line without structure has when it tells of an error: a word by
// itself, or the beginning of what a language prints.
const errorWords = "ERROR FATAL PANIC CRITICAL SEVERE ERR"

const errorMarks = "panic: |fatal error: |Traceback (most recent call last)|Unhandled |Uncaught |[error]|[fatal]|[crit]|level=error|level=fatal|level=panic|lvl=eror|Exception: |Exception in thread|Segmentation fault"

func plainError(text string) bool {
	for mark := range strings.SplitSeq(errorMarks, "|") {
		if strings.Contains(text, mark) {
			return true
		}
	}
	for word := range strings.SplitSeq(errorWords, " ") {
		if hasWord(text, word) {
			return true
		}
	}
	// error: …, Error: …, TypeError: … at the beginning of a line.
	head, _, ok := strings.Cut(text, ": ")
	return ok && !strings.ContainsAny(head, " \t") && (strings.HasSuffix(head, "Error") || head == "error" || head == "fatal")
}

// hasWord reports whether a word stands by itself.
func hasWord(text, word string) bool {
	for from := 0; ; {
		at := strings.Index(text[from:], word)
		if at < 0 {
			return false
		}
		at += from
		from = at + len(word)
		if (at == 0 || !letter(text[at-1])) && (from == len(text) || !letter(text[from]) && text[from] != '=') {
			return true
		}
	}
}

func letter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}
