package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/fault"
)

// follower prints what plat get lists, and then each row that changed.
type follower struct {
	app    *app
	kind   resource
	wanted []string // names; empty: all
	rows   map[string]string
	widths []int
}

// follow prints rows as they change until plat ends or ctx does: with -o json
// one object a line.
func (a *app) follow(cmd *cobra.Command, client *api.Client, r resource, wanted []string) error {
	if a.output == "yaml" {
		return usage(cmd, "-w prints a line for each change: -o table, wide, json or name")
	}
	resp, err := client.Raw(cmd.Context(), http.MethodGet, "/v1/changes", http.Header{}, nil)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fault.New(fault.APIBusy, "plat tells no more programs of its changes").Fix("close a page of the console, or another plat get -w")
	}
	f := &follower{app: a, kind: r, wanted: wanted, rows: map[string]string{}}
	if err := f.look(cmd.Context(), client); err != nil { // after the stream is open, so that no change is missed
		return err
	}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		text, ok := strings.CutPrefix(lines.Text(), "data: ")
		var c api.Change
		if !ok || json.Unmarshal([]byte(text), &c) != nil || !slices.ContainsFunc(c.Topics, func(t string) bool { return t == r.topic }) {
			continue
		}
		if err := f.look(cmd.Context(), client); err != nil {
			return err
		}
	}
	a.words("plat ended")
	return nil
}

// look lists once, and prints what is not as it was.
func (f *follower) look(ctx context.Context, client *api.Client) error {
	values, t, err := f.kind.list(ctx, client)
	if err != nil {
		return err
	}
	if f.app.output != "wide" && t.wide > 0 {
		t = t.first(t.wide)
	}
	if f.widths == nil {
		f.widths = t.widths()
		if i := slices.Index(t.header, "STATE"); i >= 0 {
			f.widths[i] = max(f.widths[i], len("crash-looping")) // what comes should stand below its title
		}
		if f.app.output == "table" || f.app.output == "wide" {
			if err := f.say(line(t.header, f.widths)); err != nil {
				return err
			}
		}
	}
	now := map[string]bool{}
	for i, row := range t.rows {
		name := strings.Join(row[:max(t.key, 1)], " ")
		if len(f.wanted) > 0 && !slices.Contains(f.wanted, row[0]) {
			continue
		}
		now[name] = true
		steady := steady(t.header, row)
		if was, known := f.rows[name]; known && was == steady {
			continue
		}
		f.rows[name] = steady
		if err := f.show(row, values[i]); err != nil {
			return err
		}
	}
	for name := range f.rows {
		if !now[name] {
			delete(f.rows, name)
			f.app.words("%s is gone", name)
		}
	}
	return nil
}

// steady is a row without what changes by itself.
func steady(header, row []string) string {
	var cells []string
	for i, c := range row {
		if !slices.Contains([]string{"AGE", "MEMORY", "LAST"}, header[i]) {
			cells = append(cells, c)
		}
	}
	return strings.Join(cells, "\t")
}

func (f *follower) show(row []string, value any) error {
	switch f.app.output {
	case "json":
		text, err := json.Marshal(value)
		if err != nil {
			return err
		}
		return f.say(string(text))
	case "name":
		return f.say(row[0])
	}
	text := line(row, f.widths)
	if width := f.app.width(); width > 0 {
		text = shorten(text, width)
	}
	return f.say(text)
}

func (f *follower) say(text string) error {
	_, err := fmt.Fprintln(f.app.Out, text)
	return err
}
