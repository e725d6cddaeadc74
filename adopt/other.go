package adopt

import (
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"go.yaml.in/yaml/v4"
)

// plainCommand is a command line that needs no shell.
func plainCommand(line string) ([]string, bool) {
	if line == "" || strings.ContainsAny(line, "|&;<>()$`\\\"'*?[]#~=%\n") {
		return nil, false
	}
	return strings.Fields(line), true
}

// command is a command line as argv, by a shell where it needs one.
func command(line string) []string {
	if argv, ok := plainCommand(line); ok {
		return argv
	}
	return []string{"sh", "-c", replacing(line)}
}

// assigned is how a command line begins that sets variables for its program.
var assigned = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)

// replacing is a command line in which the program takes the shell's place, so
// that plat's signals reach it; a line of several commands stays as it is.
func replacing(line string) string {
	switch {
	case strings.ContainsAny(line, "|&;<>(){}\n"):
		return line
	case assigned.MatchString(line):
		return "exec env " + line
	}
	return "exec " + line
}

// processName is how a Procfile may call a process.
var processName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// procfile reads lines of the form NAME: COMMAND (the format of Foreman). The
// process web is the folder's own service; each other has a folder of its own,
// since a folder has one declaration, and listens nowhere unless it is told
// where.
func (s *surveyor) procfile(dir, file string) {
	for line := range strings.Lines(s.read(file)) {
		name, cmd, ok := strings.Cut(strings.TrimSpace(line), ":")
		cmd = strings.TrimSpace(cmd)
		if !ok || cmd == "" || strings.HasPrefix(name, "#") {
			continue
		}
		if !processName.MatchString(name) {
			s.note(fmt.Sprintf("%s: %q is no name of a process", file, name))
			continue
		}
		if name == "release" {
			s.note(file + ": release is run once before a release, and is no service")
			continue
		}
		if name == "web" {
			svc := s.at(dir, file)
			svc.run = command(cmd)
			continue
		}
		svc := s.at(path.Join(dir, "procs", name), file)
		svc.name = name
		svc.run = []string{"sh", "-c", "cd ../../ && " + replacing(cmd)}
		svc.process = true
		svc.mute = !portVariable.MatchString(cmd)
	}
}

// packageJSON takes what npm start would start.
func (s *surveyor) packageJSON(dir, file string) {
	var p struct {
		Name            string            `json:"name"`
		Main            string            `json:"main"`
		Scripts         map[string]string `json:"scripts"`
		Dependencies    map[string]string `json:"dependencies"`
		DevDependencies map[string]string `json:"devDependencies"`
	}
	if err := json.Unmarshal([]byte(s.read(file)), &p); err != nil {
		s.note(file + " is no JSON")
		return
	}
	start := p.Scripts["start"]
	if start == "" {
		if _, ok := s.has(dir, "server.js"); !ok {
			s.note(file + " says no way to start it (scripts.start): a library, and no service")
			return
		}
		start = "node server.js" // what npm start does then
	}
	svc := s.at(dir, file)
	if len(svc.run) == 0 {
		argv, plain := plainCommand(start)
		if plain && argv[0] == "node" {
			svc.run = argv // without npm between plat and the program, signals arrive
		} else {
			svc.run = []string{"npm", "start"}
		}
	}
	if name := p.Name[strings.LastIndexByte(p.Name, '/')+1:]; name != "" {
		svc.name = name
	}
	svc.needs = append(svc.needs, "node")
	if len(p.Dependencies)+len(p.DevDependencies) == 0 && p.Scripts["build"] == "" {
		return
	}
	svc.needs = append(svc.needs, "npm")
	install := "npm install"
	if _, ok := s.has(dir, "package-lock.json"); ok {
		install = "npm ci"
	}
	svc.build = strings.Fields(install)
	if p.Scripts["build"] != "" {
		svc.build = []string{"sh", "-c", install + " && npm run build"}
	}
}

// dockerfile takes the port, and the command where nothing else says one and
// the program is in the folder.
func (s *surveyor) dockerfile(dir, file string) {
	parsed, err := parser.Parse(strings.NewReader(s.read(file)))
	if err != nil {
		s.note(file + " is no Dockerfile that can be read")
		return
	}
	var argv []string
	port := 0
	for _, node := range parsed.AST.Children {
		var words []string
		for n := node.Next; n != nil; n = n.Next {
			words = append(words, n.Value)
		}
		switch strings.ToLower(node.Value) {
		case "from": // a later stage says its own
			argv, port = nil, 0
		case "cmd", "entrypoint":
			if !node.Attributes["json"] {
				words = command(strings.Join(words, " "))
			}
			argv = append(argv, words...)
		case "expose":
			if len(words) > 0 {
				port, _ = strconv.Atoi(strings.TrimSuffix(words[0], "/tcp")) // 0 for what is no number
			}
		}
	}
	svc := s.found[dir]
	if svc == nil && s.goPackageMain(dir) {
		svc = s.at(dir, file)
	}
	if svc == nil {
		if !s.startsHere(dir, argv) {
			s.note(file + ": it is started inside a container alone, and plat runs programs; name one in run of a service.yaml")
			return
		}
		svc = s.at(dir, file)
		svc.run = argv
		svc.remarks = append(svc.remarks, "what the image installs (RUN in the Dockerfile) must be on this machine")
	} else {
		s.at(dir, file)
	}
	s.portFor(svc, port, file)
}

// goPackageMain tells whether a folder holds Go, whose program goMains names.
func (s *surveyor) goPackageMain(dir string) bool {
	p := s.goPackage(dir)
	return p != nil && p.main
}

// startsHere tells whether a container's command names a file of the folder.
func (s *surveyor) startsHere(dir string, argv []string) bool {
	return slices.ContainsFunc(argv, func(word string) bool {
		_, ok := s.has(dir, path.Base(word))
		return ok
	})
}

// portFor gives a service its fixed port, unless its program knows PORT.
func (s *surveyor) portFor(svc *service, port int, by string) {
	if port < 1 || port > 65535 || svc.port != 0 || svc.mute || s.knowsPort(svc.dir) {
		return
	}
	svc.port, svc.portBy = port, by
}

// sourceFile is a file in which a program may say where it listens.
var sourceFile = regexp.MustCompile(`\.(go|js|mjs|cjs|ts|py|rb|php|java|kt|rs|ex|exs|sh)$`)

// portVariable is how programs read the variable PORT.
var portVariable = regexp.MustCompile(`\bPORT\b`)

// knowsPort tells whether a source file of the folder, or of one below it,
// names the variable PORT.
func (s *surveyor) knowsPort(dir string) bool {
	looked := 0
	for _, below := range s.folders {
		if below != dir && !strings.HasPrefix(below, dir+"/") && dir != "." {
			continue
		}
		for _, e := range s.entries[below] {
			if !e.Type().IsRegular() || !sourceFile.MatchString(e.Name()) {
				continue
			}
			if looked++; looked > 500 {
				return false
			}
			if portVariable.MatchString(s.read(path.Join(below, e.Name()))) {
				return true
			}
		}
	}
	return false
}

// portLiterals are how sources say a fixed port: as an address, to listen, or
// by an assignment.
var portLiterals = regexp.MustCompile(`["'` + "`" + `](?:[\w.\[\]]*):(\d{2,5})["'` + "`" + `]|(?i:listen\w*\(\s*|port\s*[:=]\s*)(\d{2,5})\b`)

// literalPort is the one port that the sources of a folder name, and where; 0
// when they name none, or several.
func (s *surveyor) literalPort(dir string) (port int, by string) {
	for _, e := range s.entries[dir] {
		if !e.Type().IsRegular() || !sourceFile.MatchString(e.Name()) || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		text := s.read(path.Join(dir, e.Name()))
		for _, at := range portLiterals.FindAllStringSubmatchIndex(text, 50) {
			from, to := at[2], at[3]
			if from < 0 {
				from, to = at[4], at[5]
			}
			n, err := strconv.Atoi(text[from:to])
			if err != nil || n < 1 || n > 65535 || n == port {
				continue
			}
			if port != 0 {
				return 0, ""
			}
			port, by = n, fmt.Sprintf("%s:%d", path.Join(dir, e.Name()), 1+strings.Count(text[:from], "\n"))
		}
	}
	return port, by
}

// composed is one service of a compose file.
type composed struct {
	file, name, dir string
	port            int
	needs           []string // names of other services in the file
	env             map[string]string
}

// composeFile reads what the Compose specification says of services that are
// built here.
func (s *surveyor) composeFile(dir, file string) {
	var doc struct {
		Services map[string]struct {
			Image       string    `yaml:"image"`
			Build       yaml.Node `yaml:"build"`
			Ports       yaml.Node `yaml:"ports"`
			Expose      yaml.Node `yaml:"expose"`
			DependsOn   yaml.Node `yaml:"depends_on"`
			Links       yaml.Node `yaml:"links"`
			Environment yaml.Node `yaml:"environment"`
		} `yaml:"services"`
	}
	if err := yaml.Unmarshal([]byte(s.read(file)), &doc); err != nil {
		s.note(file + " is no YAML that can be read")
		return
	}
	for _, name := range sorted(doc.Services) {
		svc := doc.Services[name]
		context := buildContext(svc.Build)
		if context == "" {
			s.note(fmt.Sprintf("%s: %s is the image %s, which plat does not run; where your services call it, declare it under external", file, name, svc.Image))
			continue
		}
		c := composed{file: file, name: name, dir: path.Join(dir, context), env: environment(svc.Environment)}
		if strings.HasPrefix(c.dir, "..") {
			s.note(fmt.Sprintf("%s: %s is built from outside the repository", file, name))
			continue
		}
		for _, p := range append(texts(svc.Ports), texts(svc.Expose)...) {
			inside := p[strings.LastIndexByte(p, ':')+1:]
			if n, err := strconv.Atoi(strings.TrimSuffix(inside, "/tcp")); err == nil && c.port == 0 {
				c.port = n
			}
		}
		for _, other := range append(texts(svc.DependsOn), texts(svc.Links)...) {
			other, _, _ = strings.Cut(other, ":")
			c.needs = append(c.needs, other)
		}
		s.compose = append(s.compose, c)
	}
}

// joinCompose adds what compose files say to the services that were found.
func (s *surveyor) joinCompose() {
	names := map[string]*service{}
	for _, c := range s.compose {
		svc := s.found[c.dir]
		if svc == nil {
			s.note(fmt.Sprintf("%s: nothing in %s says how %s is started without a container", c.file, c.dir, c.name))
			continue
		}
		s.at(c.dir, c.file)
		svc.name = c.name
		names[c.name] = svc
		s.portFor(svc, c.port, c.file)
	}
	for _, c := range s.compose {
		svc := s.found[c.dir]
		if svc == nil {
			continue
		}
		for _, other := range c.needs {
			if to := names[other]; to != nil && to != svc {
				svc.calls = append(svc.calls, other)
			}
		}
		for _, name := range sorted(c.env) {
			s.setting(svc, name, c.env[name], names)
		}
	}
}

// secretName is how variables are called that hold secrets.
var secretName = regexp.MustCompile(`(?i)(passw|secret|token|apikey|api_key|private)`)

// setting declares one variable of a compose file, unless plat gives it or it
// is the address of another service.
func (s *surveyor) setting(svc *service, name, value string, others map[string]*service) {
	if name == "PORT" || !regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`).MatchString(name) {
		return
	}
	if u, err := url.Parse(value); err == nil && u.Host != "" {
		if to := others[u.Hostname()]; to != nil && to != svc {
			svc.calls = append(svc.calls, u.Hostname())
			svc.bypass = append(svc.bypass, Bypass{Variable: name, Callee: u.Hostname()})
			return
		}
	}
	svc.config = append(svc.config, setting{name: strings.ToLower(strings.ReplaceAll(name, "_", "-")), value: value, secret: secretName.MatchString(name)})
}

// buildContext is the folder of a compose service's build; "" without one.
func buildContext(n yaml.Node) string {
	switch n.Kind {
	case yaml.ScalarNode:
		return n.Value
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == "context" {
				return n.Content[i+1].Value
			}
		}
		return "."
	}
	return ""
}

// texts are the entries of a list, or the keys of a mapping.
func texts(n yaml.Node) []string {
	var list []string
	for i, item := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 {
			continue
		}
		if item.Kind == yaml.MappingNode { // the long form of a port
			for j := 0; j+1 < len(item.Content); j += 2 {
				if item.Content[j].Value == "target" {
					list = append(list, item.Content[j+1].Value)
				}
			}
			continue
		}
		list = append(list, item.Value)
	}
	return list
}

// environment reads both forms: a mapping, or a list of NAME=VALUE.
func environment(n yaml.Node) map[string]string {
	env := map[string]string{}
	for i, item := range n.Content {
		switch {
		case n.Kind == yaml.MappingNode && i%2 == 0 && n.Content[i+1].Kind == yaml.ScalarNode:
			env[item.Value] = n.Content[i+1].Value
		case n.Kind == yaml.SequenceNode:
			name, value, _ := strings.Cut(item.Value, "=")
			env[name] = value
		}
	}
	return env
}
