package lines

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Under begins the further lines of a text: none can be taken for a line of
// another service.
const Under = "\n    "

// pretty makes one JSON log line readable on a terminal: level, message, then
// the rest as key=value. Any other line stays as it is. Nothing of it commands
// the terminal.
func pretty(paint func(code, s string) string, line string) string {
	if !strings.HasPrefix(line, "{") {
		return Harmless(line, Under)
	}
	var fields map[string]any
	dec := json.NewDecoder(strings.NewReader(line))
	dec.UseNumber()
	if dec.Decode(&fields) != nil {
		return Harmless(line, Under)
	}
	msg, ok := fields["msg"].(string)
	if !ok {
		return Harmless(line, Under)
	}
	level, _ := fields["level"].(string)
	for _, known := range []string{"time", "level", "msg", "service", "instance", "version", "trace_id", "span_id", "correlation_id"} {
		delete(fields, known) // the column before the line, or for the JSON form
	}
	rest := make([]string, 0, len(fields))
	for k, v := range fields {
		text, err := json.Marshal(v)
		if s, isText := v.(string); isText && err == nil && !strings.ContainsAny(s, " \"\n\t") {
			text = []byte(s)
		}
		rest = append(rest, paint(dim, Harmless(k, `\n`)+"=")+Harmless(string(text), Under))
	}
	slices.Sort(rest)
	switch level {
	case "ERROR":
		level = paint(red, "ERROR")
	case "WARN":
		level = paint(yellow, "WARN ")
	default:
		level = paint(dim, fmt.Sprintf("%-5s", Harmless(level, `\n`)))
	}
	return strings.TrimSpace(level + " " + Harmless(msg, Under) + " " + strings.Join(rest, " "))
}
