package adopt

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/plat-dev/plat/plan"
)

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// propose writes the declarations of what was found.
func (s *surveyor) propose() Survey {
	services := slices.SortedFunc(maps.Values(s.found), func(a, b *service) int { return strings.Compare(a.dir, b.dir) })
	services = slices.DeleteFunc(services, func(svc *service) bool { return svc.buildGo == "" && len(svc.run) == 0 && !svc.fixed })
	for _, svc := range services {
		if port, by := s.literalPort(svc.dir); port != 0 {
			s.portFor(svc, port, by)
		}
	}
	renamed := unique(services)
	for _, svc := range services {
		svc.owner = cmp.Or(svc.owner, s.owner, "team")
	}
	out := Survey{Services: []Proposal{}, Bypasses: []Bypass{}, Notes: slices.Concat([]string{}, s.notes)}
	mute := map[string]bool{}
	for _, svc := range services {
		mute[svc.name] = svc.mute
	}
	for _, svc := range services {
		for i, callee := range svc.calls {
			svc.calls[i] = cmp.Or(renamed[callee], callee)
		}
		svc.calls = slices.DeleteFunc(svc.calls, func(callee string) bool { return mute[callee] || callee == svc.name })
		svc.bypass = slices.DeleteFunc(svc.bypass, func(b Bypass) bool { return mute[cmp.Or(renamed[b.Callee], b.Callee)] })
		for i, b := range svc.bypass {
			callee := cmp.Or(renamed[b.Callee], b.Callee)
			svc.bypass[i] = Bypass{svc.name, b.Variable, callee, "PLAT_URL_" + plan.EnvName(callee)}
		}
		p := Proposal{File: path.Join(svc.dir, "service.yaml"), Text: svc.text(), Because: svc.because}
		if _, p.Exists = s.has(svc.dir, "service.yaml"); !p.Exists {
			out.Bypasses = append(out.Bypasses, svc.bypass...)
		}
		out.Services = append(out.Services, p)
	}
	slices.SortFunc(out.Services, func(a, b Proposal) int { return strings.Compare(a.File, b.File) })
	out.System = Proposal{File: "plat.yaml", Text: systemText(s.system, services), Because: []string{"the folder's name"}}
	if _, err := fs.Stat(s.fsys, "plat.yaml"); err == nil {
		out.System.Exists = true
	}
	return out
}

// unique gives every service a name of its own that is a DNS label; it returns
// what became of the names.
func unique(services []*service) map[string]string {
	taken, renamed := map[string]bool{}, map[string]string{}
	for _, svc := range services {
		if svc.fixed {
			taken[svc.name] = true
		}
	}
	for _, svc := range services {
		if svc.fixed {
			continue
		}
		name := label(svc.name)
		if taken[name] {
			name = label(path.Base(path.Dir(svc.dir)) + "-" + name)
		}
		for i := 2; taken[name]; i++ {
			name = label(svc.name) + "-" + strconv.Itoa(i)
		}
		taken[name] = true
		renamed[svc.name] = name
		svc.name = name
	}
	return renamed
}

// text is the declaration of a service.
func (svc *service) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Proposed by plat init, by what stands in %s.\n", strings.Join(svc.because, ", "))
	for _, r := range svc.remarks {
		fmt.Fprintf(&b, "# %s.\n", r)
	}
	for _, by := range svc.bypass {
		fmt.Fprintf(&b, "# %s was the address of %s: plat gives it as %s.\n", by.Variable, by.Callee, by.Instead)
	}
	fmt.Fprintf(&b, "service: %s\nowner: %s\n", svc.name, svc.owner)
	switch {
	case svc.buildGo != "":
		fmt.Fprintf(&b, "build: {go: %s}\n", svc.buildGo)
	case len(svc.build) > 0:
		fmt.Fprintf(&b, "build: {command: %s}\n", flow(svc.build))
	}
	if len(svc.run) > 0 {
		fmt.Fprintf(&b, "run: %s\n", flow(svc.run))
	}
	if len(svc.needs) > 0 {
		fmt.Fprintf(&b, "needs: %s\n", flow(svc.needs))
	}
	if svc.mute {
		b.WriteString("listens: false # nothing in its command names a PORT\n")
	}
	if svc.port != 0 {
		fmt.Fprintf(&b, "port: %d # by %s; a program that listens on PORT needs none\n", svc.port, svc.portBy)
	}
	slices.Sort(svc.calls)
	if calls := slices.Compact(svc.calls); len(calls) > 0 {
		b.WriteString("consumes:\n  services:\n")
		for _, c := range calls {
			fmt.Fprintf(&b, "    %s: {}\n", c)
		}
	}
	if len(svc.config) > 0 {
		b.WriteString("config:\n")
	}
	for _, c := range svc.config {
		if c.secret {
			fmt.Fprintf(&b, "  %s: {secret: true}\n", c.name)
			continue
		}
		fmt.Fprintf(&b, "  %s: {type: string, default: %s}\n", c.name, scalar(c.value))
	}
	return b.String()
}

// systemText is plat.yaml. The first service that looks like the entrance has
// the path /, every other a host name of its own, since a program that knows
// nothing of plat answers at /.
func systemText(system string, services []*service) string {
	var b strings.Builder
	owners := map[string]bool{}
	for _, svc := range services {
		owners[svc.owner] = true
	}
	if len(owners) == 0 {
		owners["team"] = true
	}
	fmt.Fprintf(&b, "system: %s\nowners:\n", system)
	for i, owner := range sorted(owners) {
		fmt.Fprintf(&b, "  %s: {}", owner)
		if i == 0 {
			b.WriteString(" # who answers for the services: mail, chat, url")
		}
		b.WriteByte('\n')
	}
	b.WriteString("services:\n")
	for _, svc := range services {
		fmt.Fprintf(&b, "  - path: %s\n", scalar(svc.dir))
	}
	if len(services) == 0 {
		b.WriteString("  - path: services/*\n")
	}
	listening := slices.DeleteFunc(slices.Clone(services), func(svc *service) bool { return svc.mute })
	if len(listening) == 0 {
		return b.String()
	}
	b.WriteString("gateways:\n  public:\n    routes:\n")
	front := entrance(listening)
	fmt.Fprintf(&b, "      - {path: /, service: %s}\n", front.name)
	for _, svc := range listening {
		if svc != front {
			fmt.Fprintf(&b, "      - {host: %s.localhost, path: /, service: %s}\n", svc.name, svc.name)
		}
	}
	return b.String()
}

// entrance is the service that people would open in a browser.
func entrance(services []*service) *service {
	for _, likely := range []string{"web", "www", "front", "site", "ui", "shop", "gateway", "api"} {
		for _, svc := range services {
			if strings.Contains(svc.name, likely) {
				return svc
			}
		}
	}
	return services[0]
}

// flow is a list as YAML writes it in one line.
func flow(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = scalar(w)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// scalar is a text as YAML writes it inside a line, quoted where it must be.
func scalar(text string) string {
	n := yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}}}
	out, err := yaml.Marshal(&n)
	if err != nil || strings.Count(strings.TrimSpace(string(out)), "\n") > 0 {
		return strconv.Quote(text) // JSON's form is YAML's as well
	}
	line := strings.TrimSpace(string(out))
	return strings.TrimSuffix(strings.TrimPrefix(line, "["), "]")
}
