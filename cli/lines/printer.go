package lines

import (
	"fmt"
	"io"

	"github.com/plat-dev/plat/api"
)

// Codes of colours, as terminals know them.
const (
	red    = "31"
	yellow = "33"
	dim    = "2"
)

// Printer aligns lines of several services, each in its own colour. It is not
// safe for concurrent use.
type Printer struct {
	Out    io.Writer
	Paint  func(code, s string) string // colours a text, or leaves it plain
	Person bool                        // JSON lines are made readable, times are those of the day
	Times  bool                        // each line begins with its time
	Width  int                         // of the widest name that is known; it grows

	colours map[string]int
}

// Print prints one line. It returns what the writer does.
func (p *Printer) Print(l api.LogLine) error {
	name := l.Instance
	if name == "" || name == "-" { // a line of no instance, such as a failed build's
		name = l.Service
	}
	p.Width = max(p.Width, len(name))
	text := l.Text
	switch l.Stream {
	case "plat":
		text = p.Paint(dim, "· "+Harmless(text, Under))
	case "out", "err":
		if p.Person {
			text = pretty(p.Paint, text)
		} else {
			text = Harmless(text, Under)
		}
	}
	at := ""
	switch {
	case p.Times && p.Person:
		at = p.Paint(dim, l.Time.Local().Format("15:04:05.000")) + " "
	case p.Times:
		at = l.Time.UTC().Format("2006-01-02T15:04:05.000Z07:00") + " "
	}
	_, err := fmt.Fprintf(p.Out, "%s%s %s\n", at, p.Paint(p.colour(l.Service), fmt.Sprintf("%-*s |", p.Width, name)), text)
	return err
}

// colour is one of several, the same service always alike.
func (p *Printer) colour(service string) string {
	if p.colours == nil {
		p.colours = map[string]int{}
	}
	at, ok := p.colours[service]
	if !ok {
		at = len(p.colours)
		p.colours[service] = at
	}
	codes := []string{"36", "35", "34", "33", "32", "96", "95", "94"}
	return codes[at%len(codes)]
}
