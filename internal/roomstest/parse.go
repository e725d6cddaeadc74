package roomstest

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// everyTest is the heading of what all test files may use.
const everyTest = "(every test)"

// House is rooms.txt.
type House struct {
	Rooms []*Room
	Tests *Room // what every test file may use; nil for nothing
}

// Room is what rooms.txt says of one package, or of several by a pattern.
type Room struct {
	Pattern string   // a folder; * is one element, /... at the end is it and all below
	Charter string   // what it is for
	Imports []string // packages of ours; "own" is everything in the same room
	Uses    []string // modules or packages of others
	Tests   []string // more that its tests may import, of ours or of others
	Never   []string // packages, or package.Name, of the standard library
	Budgets []*Budget
	Line    int

	needed map[string]bool // of Imports, Uses and Tests, while checking
}

// Budget is an exception from the sizes that hold for all.
type Budget struct {
	Kind   string // room, file, func, struct or interface
	Name   string // empty for a room
	Limit  int
	Reason string

	line int
	used bool
}

// Parse reads the text of rooms.txt. A line at the margin opens a room; an
// indented line is part of its charter, or "key: values". All errors wrap
// ErrMap and name the line.
func Parse(text string) (*House, error) {
	var house House
	var room *Room
	for i, line := range strings.Split(text, "\n") {
		number := i + 1
		content := strings.TrimSpace(line)
		switch {
		case content == "" || strings.HasPrefix(content, "#"):
		case line == content || line == content+"\r":
			room = &Room{Pattern: content, Line: number}
			if slices.ContainsFunc(house.Rooms, func(r *Room) bool { return r.Pattern == content }) {
				return nil, fmt.Errorf("%w:%d: %s stands here twice", ErrMap, number, content)
			}
			house.Rooms = append(house.Rooms, room)
		case room == nil:
			return nil, fmt.Errorf("%w:%d: an indented line before the first room", ErrMap, number)
		default:
			if err := room.add(content, number); err != nil {
				return nil, fmt.Errorf("%w:%d: %w", ErrMap, number, err)
			}
		}
	}
	for i, r := range house.Rooms {
		if r.Pattern == everyTest {
			house.Tests = r
			house.Rooms = slices.Delete(house.Rooms, i, i+1)
			break
		}
	}
	for _, r := range house.Rooms {
		if r.Charter == "" {
			return nil, fmt.Errorf("%w:%d: %s has no charter: say in a sentence what it is for", ErrMap, r.Line, r.Pattern)
		}
	}
	return &house, nil
}

// add takes one indented line.
func (r *Room) add(content string, number int) error {
	key, rest, ok := strings.Cut(content, ":")
	if !ok || strings.Contains(key, " ") {
		r.Charter = strings.TrimSpace(r.Charter + " " + content)
		return nil
	}
	values := strings.Fields(rest)
	switch key {
	case "imports":
		r.Imports = append(r.Imports, values...)
	case "uses":
		r.Uses = append(r.Uses, values...)
	case "tests":
		r.Tests = append(r.Tests, values...)
	case "never":
		r.Never = append(r.Never, values...)
	case "budget":
		b, err := parseBudget(values)
		if err != nil {
			return err
		}
		b.line = number
		r.Budgets = append(r.Budgets, b)
	default:
		return fmt.Errorf("unknown key %q: expected imports, uses, tests, never or budget", key)
	}
	return nil
}

// parseBudget reads "KIND [NAME] LIMIT because REASON".
func parseBudget(words []string) (*Budget, error) {
	const form = "a budget is KIND [NAME] LIMIT because REASON"
	because := slices.Index(words, "because")
	if because < 2 || because > 3 || because == len(words)-1 {
		return nil, fmt.Errorf("%s", form)
	}
	b := &Budget{Kind: words[0], Reason: strings.Join(words[because+1:], " ")}
	if because == 3 {
		b.Name = words[1]
	}
	if !slices.Contains([]string{"room", "file", "func", "struct", "interface"}, b.Kind) || (b.Kind == "room") != (b.Name == "") {
		return nil, fmt.Errorf("%s, where KIND is room, file, func, struct or interface", form)
	}
	var err error
	if b.Limit, err = strconv.Atoi(words[because-1]); err != nil {
		return nil, fmt.Errorf("%s: %w", form, err)
	}
	return b, nil
}

// find gives the room of a package: the line that names it exactly, else the
// pattern that says the most.
func (h *House) find(dir string) *Room {
	var best *Room
	for _, r := range h.Rooms {
		switch {
		case r.Pattern == dir:
			return r
		case matches(r.Pattern, dir) && (best == nil || len(r.Pattern) > len(best.Pattern)):
			best = r
		}
	}
	return best
}

// mayUse tells whether a room may import a package of others.
func (h *House) mayUse(r *Room, target string, test bool) bool {
	use := func(entry string) bool { return matches(entry+"/...", target) }
	return r.need(r.Uses, use) || test && (r.need(r.Tests, use) || h.Tests != nil && h.Tests.need(h.Tests.Uses, use))
}

// homes says where a package of others may be imported.
func (h *House) homes(target string) string {
	var rooms []string
	for _, r := range h.Rooms {
		if slices.ContainsFunc(r.Uses, func(entry string) bool { return matches(entry+"/...", target) }) {
			rooms = append(rooms, r.Pattern)
		}
	}
	if len(rooms) == 0 {
		return "it has no home yet"
	}
	return "its home is " + strings.Join(rooms, ", ")
}

// mayImport tells whether the package dir of this room may import the package
// to, both of ours.
func (r *Room) mayImport(dir, to string, test bool) bool {
	one := func(entry string) bool {
		if entry == "own" {
			return matches(r.own(dir), to)
		}
		return matches(entry, to)
	}
	return r.need(r.Imports, one) || test && r.need(r.Tests, one)
}

// need finds an entry of a list that allows something, and remembers that it
// was needed.
func (r *Room) need(list []string, allows func(entry string) bool) bool {
	i := slices.IndexFunc(list, allows)
	if i < 0 {
		return false
	}
	if r.needed == nil {
		r.needed = map[string]bool{}
	}
	r.needed[list[i]] = true
	return true
}

// stale lists what the room's lines allow and nobody needs.
func (r *Room) stale() []Finding {
	place := fmt.Sprintf("rooms.txt:%d", r.Line)
	var findings []Finding
	for _, entry := range slices.Concat(r.Imports, r.Uses, r.Tests) {
		if !r.needed[entry] && entry != "own" {
			findings = append(findings, Finding{place, fmt.Sprintf("%s may import %s and does not any more: take it out", r.Pattern, entry)})
		}
	}
	for _, b := range r.Budgets {
		if !b.used {
			findings = append(findings, Finding{fmt.Sprintf("rooms.txt:%d", b.line), strings.Join(strings.Fields(fmt.Sprintf("the budget of %s for %s %s is not needed any more: take it out", r.Pattern, b.Kind, b.Name)), " ")})
		}
	}
	return findings
}

// own is the room's pattern with each * replaced by what it stands for in dir.
func (r *Room) own(dir string) string {
	elements, actual := strings.Split(r.Pattern, "/"), strings.Split(dir, "/")
	for i, e := range elements {
		if e == "*" && i < len(actual) {
			elements[i] = actual[i]
		}
	}
	return strings.Join(elements, "/")
}

// budget is the exception for a thing, or nil.
func (r *Room) budget(kind, name string) *Budget {
	for _, b := range r.Budgets {
		if b.Kind == kind && b.Name == name {
			return b
		}
	}
	return nil
}

// matches reports whether a folder or import path falls under a pattern.
func matches(pattern, name string) bool {
	stem, below := strings.CutSuffix(pattern, "/...")
	want, got := strings.Split(stem, "/"), strings.Split(name, "/")
	if len(got) < len(want) || !below && len(got) != len(want) {
		return false
	}
	ok, err := path.Match(stem, strings.Join(got[:len(want)], "/"))
	return err == nil && ok
}
