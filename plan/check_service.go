package plan

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan/yaml"
)

// check finds what is wrong in one declaration regardless of all others.
func (d *Declaration) check() {
	if d.absent || d.doc.broken {
		return
	}
	f := &d.File
	d.doc.required(f.Service, "the service's name", "service")
	if f.Service != "" {
		d.doc.report(badServiceName("the service", f.Service), "service")
	}
	if f.Owner == "" && !d.doc.tried("owner") {
		d.doc.key(fault.Newf(fault.PlanMissingOwner, "%s has no owner", d.name()).
			Why("somebody must answer for every service").Fix("add owner: with one of the system's owners"), "owner")
	}
	if f.Context != "" {
		d.doc.report(badLabel("the context", f.Context), "context")
	}
	d.checkProgram()
	d.checkNeeds()
	d.checkListens()
	d.checkProvides()
	for _, name := range sortedKeys(f.Consumes.Services) {
		d.doc.reportKey(badLabel("the service", name), "consumes", "services", name)
	}
	for _, name := range sortedKeys(f.Consumes.Events) {
		d.doc.reportKey(badEventType(name), "consumes", "events", name)
		d.doc.report(badPush(f.Consumes.Events[name].Push), "consumes", "events", name, "push")
	}
	for _, name := range sortedKeys(f.Stores) {
		d.doc.reportKey(badLabel("the store", name), "stores", name)
		for i, kind := range f.Stores[name].Holds {
			d.doc.report(badLabel("the kind of data", kind), "stores", name, "holds", i)
		}
	}
	d.checkConfig()
	d.checkRunbook()
}

// checkRunbook refuses what neither a browser nor a reader of the repository
// could open.
func (d *Declaration) checkRunbook() {
	r := d.File.Runbook
	if r == "" {
		return
	}
	if !strings.Contains(r, "://") {
		d.checkPath(r, false, "runbook")
		return
	}
	u, err := url.Parse(r)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		d.doc.value(fault.New(fault.PlanBadURL, "the address of the runbook is not usable").
			Why("expected http or https with a host, without credentials").Fix("write it as https://host/path"), "runbook")
	}
}

// required reports a key that must be there and is not.
func (d *document) required(value, what string, path ...any) {
	key := fmt.Sprint(path[len(path)-1])
	if value == "" && !d.has(path...) && (len(path) > 1 || !d.tried(key)) {
		d.key(fault.Newf(fault.PlanMissingField, "%s is missing", key).Why("expected "+what).Fix("add "+key+":"), path...)
	}
}

// reportKey adds the finding, if there is one, at the key of the path.
func (d *document) reportKey(f *fault.Fault, path ...any) {
	if f != nil {
		d.key(f, path...)
	}
}

// report adds the finding, if there is one, at the value of the path.
func (d *document) report(f *fault.Fault, path ...any) {
	if f != nil {
		d.value(f, path...)
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func (d *Declaration) checkProgram() {
	b, run := d.File.Build, d.File.Run
	if len(run) > 0 {
		d.checkArgv(run, "run")
	}
	if b == nil {
		if len(run) == 0 && !d.doc.tried("run") && !d.doc.tried("build") {
			d.doc.key(fault.Newf(fault.PlanMissingProgram, "%s has neither build nor run", d.name()).
				Why("plat must know what to start").Fix("add build: {go: .} or run: [./program]"), "service")
		}
		return
	}
	var set []string
	if b.Go != "" {
		set = append(set, "go")
		d.checkPath(b.Go, true, "build", "go")
	}
	if len(b.Command) > 0 {
		set = append(set, "command")
		d.checkArgv(b.Command, "build", "command")
		if len(run) == 0 && !d.doc.tried("run") {
			d.doc.key(fault.Newf(fault.PlanMissingProgram, "%s has build.command but no run", d.name()).
				Why("plat must know what to start after building").Fix("add run: [./program]"), "build", "command")
		}
	}
	if b.Image != "" {
		set = append(set, "image")
	}
	switch {
	case len(set) > 1:
		d.doc.key(fault.Newf(fault.PlanConflictingFields, "build has %s at once", strings.Join(set, " and ")).
			Why("a program is made in one way").Fix("keep one of them"), "build", set[1])
	case len(set) == 0 && d.doc.isOrAbsent(yaml.Mapping, "build") && !d.doc.extras("build"):
		d.doc.key(fault.New(fault.PlanMissingField, "build is empty").Why("expected one of go, command, image").Fix("write build: {go: .}, or delete build and name the program in run"), "build")
	}
}

// checkArgv refuses a program outside the service's folder. A name without a
// slash is searched on PATH, an absolute one is the machine's.
func (d *Declaration) checkArgv(argv []string, path ...any) {
	n, _, whole := d.doc.find(append(path, 0))
	switch program := argv[0]; {
	case program == "" && whole && n.Kind == yaml.Text:
		d.doc.value(fault.New(fault.PlanBadValue, "the program has no name").Why("expected a program and its arguments").Fix("name the program, as [./program]"), append(path, 0)...)
	case program != "" && strings.Contains(program, "/") && program[0] != '/':
		if _, ok := local(program); !ok {
			d.doc.value(escapes(program), append(path, 0)...)
		}
	}
}

// checkListens finds what a program cannot have that listens nowhere.
func (d *Declaration) checkListens() {
	if !d.mute() {
		return
	}
	never := func(path ...any) {
		d.doc.key(fault.Newf(fault.PlanListensNowhere, "%s listens nowhere, and has %s", d.name(), path[len(path)-1]).
			Why("listens: false is declared at "+d.doc.place("listens")).Fix("delete one of the two"), path...)
	}
	if d.File.Port != nil {
		never("port")
	}
	if d.File.Provides.HTTP != nil {
		never("provides", "http")
	}
	for _, name := range sortedKeys(d.File.Consumes.Events) {
		if d.File.Consumes.Events[name].Push != "" {
			never("consumes", "events", name, "push")
		}
	}
}

// checkNeeds refuses what is not the bare name of a program, and repetition.
func (d *Declaration) checkNeeds() {
	needs := d.File.Needs
	for i, name := range needs {
		n, _, whole := d.doc.find([]any{"needs", i})
		if !whole || n.Kind != yaml.Text {
			continue // reported when it was read
		}
		f := fault.Newf(fault.PlanBadValue, "the program %s is not a bare name", strconv.Quote(name)).
			Why("expected the name of a program that is looked for on the PATH, such as node")
		base := strings.TrimSuffix(name[strings.LastIndexAny(name, `/\`)+1:], ".exe")
		switch {
		case !isProgramName(name):
			if isProgramName(base) {
				f.Fix("write " + base)
			}
			d.doc.value(f, "needs", i)
		case slices.Index(needs, name) < i:
			d.doc.value(fault.Newf(fault.PlanBadValue, "the program %s is named twice", name).Why("it is looked for once").Fix("delete one"), "needs", i)
		}
	}
}

const programCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-"

// isProgramName reports whether s is the name of a program without folder and
// arguments.
func isProgramName(s string) bool {
	return len(s) <= 255 && strings.Trim(s, ".") != "" && !strings.HasPrefix(s, "-") && strings.Trim(s, programCharacters) == ""
}

// checkPath refuses a path that leads out of the service's folder or to
// nothing.
func (d *Declaration) checkPath(p string, folder bool, path ...any) {
	clean, ok := local(p)
	if !ok {
		d.doc.value(escapes(p), path...)
		return
	}
	if d.Files == nil {
		return
	}
	info, err := fs.Stat(d.Files, clean)
	switch {
	case err != nil && folder:
		d.doc.value(fault.Newf(fault.PlanMissingFolder, "there is no folder %s beside %s", p, d.doc.file).
			Why("build.go is a Go package, which is a folder").Fix("create it, or correct the path").Because(err), path...)
	case err != nil:
		d.doc.value(fault.Newf(fault.PlanMissingFile, "there is no file %s beside %s", p, d.doc.file).
			Why("the declaration names it").Fix("create it, or correct the path").Because(err), path...)
	case folder && !info.IsDir():
		d.doc.value(fault.Newf(fault.PlanMissingFolder, "%s is not a folder", p).Why("a Go package is one").Fix("name the folder of the package"), path...)
	case !folder && !info.Mode().IsRegular():
		d.doc.value(fault.Newf(fault.PlanMissingFile, "%s is not a regular file", p).Why("the declaration names it as one").Fix("name the file"), path...)
	}
}

func (d *Declaration) checkProvides() {
	if h := d.File.Provides.HTTP; h != nil {
		if h.OpenAPI != "" {
			d.checkPath(h.OpenAPI, false, "provides", "http", "openapi")
		}
		d.checkURLPath(h.Ready, "provides", "http", "ready")
		d.checkURLPath(h.Live, "provides", "http", "live")
	}
	for _, name := range sortedKeys(d.File.Provides.Events) {
		e := d.File.Provides.Events[name]
		d.doc.reportKey(badEventType(name), "provides", "events", name)
		if e.Schema != "" {
			d.checkPath(e.Schema, false, "provides", "events", name, "schema")
		}
		if e.Key != "" && e.Key[0] != '/' {
			d.doc.value(fault.Newf(fault.PlanBadValue, "key is %q", e.Key).
				Why("expected a JSON pointer into the data").Fix("write /"+e.Key), "provides", "events", name, "key")
		}
	}
}

func (d *Declaration) checkURLPath(p string, path ...any) {
	if p != "" && (p[0] != '/' || strings.ContainsAny(p, " \t\n#")) {
		d.doc.value(fault.Newf(fault.PlanBadValue, "%s is %q", path[len(path)-1], p).
			Why("expected a path that begins with a slash").Fix("write /"+strings.TrimLeft(p, "/")), path...)
	}
}

// badPush is the finding about a path that events cannot be delivered to; nil
// when it is one or empty.
func badPush(p string) *fault.Fault {
	if p == "" {
		return nil
	}
	u, err := url.Parse(p)
	f := fault.Newf(fault.PlanBadValue, "push is %s", strconv.Quote(p))
	switch {
	case p[0] != '/' && err == nil && u.Host != "":
		return f.Why("expected a path: plat finds the instance itself").Fix("write " + cmp.Or(u.Path, "/"))
	case p[0] != '/':
		return f.Why("expected a path that begins with a slash").Fix("write /" + p)
	case strings.ContainsAny(p, "?#"):
		return f.Why("expected a path without query and fragment").Fix("write " + p[:strings.IndexAny(p, "?#")])
	case err != nil || strings.ContainsAny(p, " \t\\") || strings.ContainsFunc(p, unicode.IsControl):
		return f.Why("it has a character that no path has").Fix("write the plain path")
	case strings.HasPrefix(p, "//") || u.Path != "/" && path.Clean(u.Path) != strings.TrimSuffix(u.Path, "/"):
		return f.Why("expected a path without empty, . and .. segments").Fix("write " + path.Clean("/"+u.Host+u.Path))
	}
	return nil
}

func (d *Declaration) checkConfig() {
	variables := map[string]string{}
	for _, name := range sortedKeys(d.File.Config) {
		s := d.File.Config[name]
		d.doc.reportKey(badSettingName(name), "config", name)
		if other, taken := variables[EnvName(name)]; taken {
			d.doc.key(fault.Newf(fault.PlanCollidingNames, "the settings %s and %s are both the variable %s", other, name, EnvName(name)).
				Why("the program could tell only one of them").Fix("rename one of them"), "config", name)
		}
		variables[EnvName(name)] = name
		if s.Default == nil {
			continue
		}
		if s.Secret {
			d.doc.key(plainSecret(name), "config", name, "default")
		}
		d.doc.report(s.check("the default of "+name, *s.Default), "config", name, "default")
	}
}

func plainSecret(name string) *fault.Fault {
	return fault.Newf(fault.PlanPlainSecret, "the secret %s has its value in the plan", name).
		Why("who reads the plan would know it").Fix("delete the value here, and change the secret if it was real")
}

// check reports a value that is not of the setting's type.
func (s SettingFile) check(what string, v Scalar) *fault.Fault {
	if v.Kind == "" {
		return nil // reported when it was read
	}
	wrong := func(expected string) *fault.Fault {
		return fault.Newf(fault.PlanWrongType, "%s is %s", what, strconv.Quote(v.Text)).Why("its type is " + s.kind() + ": expected " + expected)
	}
	unit := func(err error, expected, unit string) *fault.Fault {
		switch {
		case err == nil && v.Kind == "text":
			return nil
		case isNoUnit(err):
			return fault.Newf(fault.PlanMissingUnit, "%s is %s without a unit", what, v.Text).Why("expected " + expected).Fix("write " + v.Text + unit)
		}
		return wrong(expected)
	}
	switch s.kind() {
	case "string":
		if v.Kind != "text" {
			return wrong("text").Fix(`put it in quotes: "` + v.Text + `"`)
		}
	case "int":
		n, err := strconv.ParseInt(v.Text, 10, 64)
		switch {
		case v.Kind != "integer":
			return wrong("a whole number without quotes")
		case err != nil || strconv.FormatInt(n, 10) != v.Text:
			return fault.Newf(fault.PlanAmbiguousValue, "%s is written as %s", what, v.Text).
				Why("programs read that as different values").Fix("write it in plain digits")
		}
	case "float":
		plain := strings.TrimPrefix(v.Text, "-")
		_, ok := decimal(plain)
		switch {
		case v.Kind != "integer" && v.Kind != "number":
			return wrong("a number without quotes")
		case !ok || len(plain) > 1 && plain[0] == '0' && plain[1] != '.':
			return fault.Newf(fault.PlanAmbiguousValue, "%s is written as %s", what, v.Text).
				Why("programs read that as different values").Fix("write it in plain digits, such as 1000 or 0.5")
		}
	case "bool":
		if v.Kind != "boolean" || v.Text != "true" && v.Text != "false" {
			return wrong("true or false")
		}
	case "duration":
		_, err := ParseDuration(v.Text)
		return unit(err, "a duration with its unit, such as 200ms, 5s or 7d", "s")
	case "size":
		_, err := ParseSize(v.Text)
		return unit(err, "a size with its unit, such as 64KiB or 256MiB", "MiB")
	case "percent":
		_, err := ParsePercent(v.Text)
		return unit(err, "a percentage with its sign, such as 99.9%", "%")
	}
	return nil
}

// kind is the declared type, or else what the default looks like.
func (s SettingFile) kind() string {
	switch {
	case s.Type != "":
		return s.Type
	case s.Default == nil:
		return "string"
	case s.Default.Kind == "integer":
		return "int"
	case s.Default.Kind == "number":
		return "float"
	case s.Default.Kind == "boolean":
		return "bool"
	}
	return "string"
}
