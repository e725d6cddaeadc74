package lines

import (
	"encoding/json"
	"regexp"
	"strings"
)

// errorMark finds, in a line without structure, a word by itself (which
// NAME=value is not), what a language prints before a stack, or what a logger
// writes as its level.
var errorMark = regexp.MustCompile(`\b(ERROR|FATAL|PANIC|CRITICAL|SEVERE|ERR)([^\w=]|$)` +
	`|panic: |fatal error: |Traceback \(most recent call last\)|Unhandled |Uncaught |Exception: |Exception in thread|Segmentation fault` +
	`|\[(error|fatal|crit)\]|level=(error|fatal|panic)|lvl=eror|^(\S*Error|error|fatal): `)

// errorLevel are the words for error and worse; slog writes ERROR+4.
var errorLevel = regexp.MustCompile(`^(?i:error|err|severe|fatal|d?panic|crit|critical|alert|emerg|emergency)(\+|$)`)

// tellsOfError reports whether a line of output tells of an error, for
// plat logs --errors: a JSON line by its level, which is error or worse (of
// pino's and bunyan's numbers 50 or more), whatever its message; any other line
// by what errorMark finds. plat ps counts by the same rule.
func tellsOfError(line string) bool {
	line = strings.TrimLeft(line, " \t")
	var fields struct {
		Level, Severity, Lvl, LevelName, LogLevel any
	}
	if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &fields) != nil {
		return errorMark.MatchString(line)
	}
	for _, level := range []any{fields.Level, fields.Severity, fields.Lvl, fields.LevelName, fields.LogLevel} {
		switch level := level.(type) {
		case nil:
			continue
		case float64:
			return level >= 50
		case string:
			return errorLevel.MatchString(level)
		}
		return false
	}
	return false
}
