package gateway

import (
	"strconv"
	"unicode/utf8"
)

// logField bounds a value that a client chose; the rest is cut, and the line
// says so.
const logField = 1024

// appendLine appends the exchange as a JSON line.
func appendLine(b []byte, x *Exchange) []byte {
	b = append(b, `{"time":"`...)
	b = x.Start.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000Z")
	b = append(b, '"')
	b = appendSet(b, "gateway", x.Gateway)
	b = appendSet(b, "edge", x.Caller)
	b = appendSet(b, "client", x.Client)
	b = appendField(b, ',', "method", cut(x.Method))
	b = appendField(b, ',', "host", cut(x.Host))
	b = appendField(b, ',', "path", cut(x.Path))
	b = appendSet(b, "proto", x.Protocol)
	b = appendNumber(b, "status", int64(x.Status))
	b = appendNumber(b, "bytes_in", x.BytesIn)
	b = appendNumber(b, "bytes_out", x.BytesOut)
	b = appendNumber(b, "duration_us", x.Duration.Microseconds())
	b = appendSet(b, "service", x.Service)
	b = appendSet(b, "route", x.Route)
	b = appendSet(b, "upstream", x.Upstream)
	b = appendSet(b, "correlation_id", x.CorrelationID)
	b = appendSet(b, "trace_id", x.Trace.ID)
	if x.Mesh {
		b = append(b, `,"mesh":true`...)
	}
	b = appendSet(b, "undeclared", x.ID)
	if x.Retries > 0 {
		b = appendNumber(b, "retries", int64(x.Retries))
	}
	b = appendSet(b, "fault", x.Fault)
	b = appendSet(b, "code", string(x.Code))
	if x.Err != nil {
		b = appendField(b, ',', "error", cut(x.Err.Error()))
	}
	if len(x.Method) > logField || len(x.Host) > logField || len(x.Path) > logField {
		b = append(b, `,"cut":true`...)
	}
	return append(b, "}\n"...)
}

func cut(s string) string {
	if len(s) > logField {
		return s[:logField]
	}
	return s
}

// appendSet appends a field that has a value.
func appendSet(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendField(b, ',', name, value)
}

// appendField appends before, then the field; name needs no escaping.
func appendField(b []byte, before byte, name, value string) []byte {
	b = append(b, before, '"')
	b = append(b, name...)
	b = append(b, `":"`...)
	return append(appendEscaped(b, value), '"')
}

func appendNumber(b []byte, name string, n int64) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, `":`...)
	return strconv.AppendInt(b, n, 10)
}

// appendEscaped appends s as the inside of a JSON string. What is not UTF-8
// becomes the replacement character.
func appendEscaped(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			if r, size := utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		b = append(b, s[start:i]...)
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c >= utf8.RuneSelf:
			b = append(b, `\ufffd`...)
		default:
			b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
		i++
		start = i
	}
	return append(b, s[start:]...)
}
