package cli

import (
	"cmp"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/plan"
)

// What completes words asks a running plat, or the plan's files, and offers
// nothing where neither answers: a mistake is told when the command is run.

const noFiles = cobra.ShellCompDirectiveNoFileComp

// live completes arguments from a running plat.
func (a *app) live(list func(*cobra.Command, *api.Client) ([]string, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
		client, _, err := a.connect()
		if err != nil {
			return nil, noFiles
		}
		found, err := list(cmd, client)
		if err != nil {
			return nil, noFiles
		}
		return without(found, given), noFiles
	}
}

// without leaves out what was given already; a name may have words about it
// after a tab.
func without(found, given []string) []string {
	return slices.DeleteFunc(found, func(name string) bool {
		name, _, _ = strings.Cut(name, "\t")
		return slices.Contains(given, name)
	})
}

// serviceNames completes the services that run, with their state.
func (a *app) serviceNames(cmd *cobra.Command, given []string, start string) ([]string, cobra.ShellCompDirective) {
	return a.live(func(cmd *cobra.Command, client *api.Client) ([]string, error) {
		services, err := client.Services(cmd.Context())
		return names(services, func(s api.Service) string { return s.Name + "\t" + s.State }), err
	})(cmd, given, start)
}

// scaleNames completes SERVICE=, after which a number is typed.
func (a *app) scaleNames(cmd *cobra.Command, given []string, start string) ([]string, cobra.ShellCompDirective) {
	had := names(given, func(arg string) string { name, _, _ := strings.Cut(arg, "="); return name })
	found, _ := a.serviceNames(cmd, had, start)
	return names(found, func(s string) string { return strings.Replace(s, "\t", "=\t", 1) }), noFiles | cobra.ShellCompDirectiveNoSpace
}

// plannedNames completes arguments with the services of the plan's files.
func (a *app) plannedNames(_ *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
	root, err := a.system()
	if err != nil {
		return nil, noFiles
	}
	result := a.load(root)
	if result.System == nil {
		return nil, noFiles
	}
	return without(names(result.System.Services, func(s plan.Service) string { return s.Name + "\t" + s.About }), given), noFiles
}

// consumable completes what a service of the plan may consume: services,
// externals and events.
func (a *app) consumable(cmd *cobra.Command, given []string, start string) ([]string, cobra.ShellCompDirective) {
	found, _ := a.plannedNames(cmd, given[:1], start)
	root, err := a.system()
	if err != nil {
		return found, noFiles
	}
	if result := a.load(root); result.System != nil {
		for _, e := range result.System.External {
			found = append(found, e.Name+"\texternal")
		}
		for _, s := range result.System.Services {
			for _, e := range s.Events {
				if s.Name != given[0] {
					found = append(found, e.Type+"\tevent of "+s.Name)
				}
			}
		}
	}
	return found, noFiles
}

// environments completes the names under environments in plat.yaml.
func (a *app) environments(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	found := []string{"local"}
	root, err := a.system()
	if err != nil {
		return found, noFiles
	}
	text, err := os.ReadFile(filepath.Join(root, "plat.yaml")) //nolint:gosec // the plan's own file
	if err != nil {
		return found, noFiles
	}
	var file struct {
		Environments map[string]any `yaml:"environments"`
	}
	if yaml.Unmarshal(text, &file) == nil {
		delete(file.Environments, "local")
		found = append(found, slices.Sorted(maps.Keys(file.Environments))...)
	}
	return found, noFiles
}

// resourceNames completes the names of one kind of thing.
func (a *app) resourceNames(cmd *cobra.Command, given []string) ([]string, cobra.ShellCompDirective) {
	for _, r := range resources() {
		if !r.is(given[0]) {
			continue
		}
		return a.live(func(cmd *cobra.Command, client *api.Client) ([]string, error) {
			_, t, err := r.list(cmd.Context(), client)
			return slices.Compact(names(t.rows, func(row []string) string { return row[0] })), err
		})(cmd, given[1:], "")
	}
	return nil, noFiles
}

// eventTypes are those that services of the running plan provide.
func eventTypes(cmd *cobra.Command, client *api.Client) ([]string, error) {
	events, err := client.Events(cmd.Context())
	var types []string
	for _, s := range events.Streams {
		types = append(types, s.Events...)
	}
	return types, err
}

// httpMethods are those that plat call and plat api send.
func httpMethods() []string {
	return []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}
}

// operations completes the paths of an OpenAPI document that take a method,
// with what they are for; a path with a parameter is completed up to it.
func (a *app) operations(document, method string) cobra.CompletionFunc {
	return a.live(func(cmd *cobra.Command, client *api.Client) ([]string, error) {
		resp, err := client.Raw(cmd.Context(), http.MethodGet, document, http.Header{}, nil)
		if err != nil {
			return nil, err
		}
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
		if err != nil || resp.StatusCode != http.StatusOK {
			return nil, err
		}
		var doc struct {
			Paths map[string]map[string]yaml.Node `yaml:"paths"`
		}
		if err := yaml.Unmarshal(text, &doc); err != nil { // JSON is YAML
			return nil, err
		}
		var found []string
		for path, item := range doc.Paths {
			node, ok := item[strings.ToLower(method)]
			if !ok {
				continue
			}
			var op struct{ Summary, Description string }
			_ = node.Decode(&op) // what cannot be read has no summary
			before, _, _ := strings.Cut(path, "{")
			about, _, _ := strings.Cut(cmp.Or(op.Summary, op.Description), "\n")
			found = append(found, before+"\t"+about)
		}
		slices.Sort(found)
		return slices.CompactFunc(found, func(a, b string) bool {
			a, _, _ = strings.Cut(a, "\t")
			b, _, _ = strings.Cut(b, "\t")
			return a == b
		}), nil
	})
}
