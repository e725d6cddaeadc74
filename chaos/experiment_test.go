package chaos_test

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/chaos"
	"github.com/plat-dev/plat/plan"
)

// declared is a system that experiments can name things of.
func declared() *plan.System {
	sys := stock()
	sys.Owners = map[string]plan.Owner{"team": {}}
	sys.Gateways = []plan.Gateway{{Name: "public", Routes: []plan.DeclaredRoute{{Path: "/", Service: "web"}}}}
	return sys
}

const whole = `plat: 1
experiment: web-without-stock
owner: team
about: All goes on.
steady: {journeys: [buy], objectives: [web], answers: 99%}
faults:
  - {do: latency, from: web, service: stock, delay: 2s, jitter: 500ms, share: 25%}
  - {do: error, gateway: public, route: /, status: 500, customers: all, header: {X-Beta: "1"}}
  - {do: slow, service: bank, rate: 10KiB}
  - {do: pause, service: stock}
  - {do: kill, service: web, instance: web-2}
duration: 1m
limits: {failures: 3, answers: 95%}
every: 1h
`

func TestReadExperiment(t *testing.T) {
	t.Parallel()
	got, findings := chaos.Read("x.yaml", []byte(whole), declared())
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	want := chaos.Experiment{
		Name: "web-without-stock", Owner: "team", About: "All goes on.", File: "x.yaml", Journeys: []string{"buy"}, Services: []string{"web"}, Answers: 0.99,
		Duration: time.Minute, Failures: 3, Least: 0.95, Every: time.Hour,
		Faults: []chaos.Fault{
			{ID: "web-without-stock/1", Kind: "latency", Delay: 2 * time.Second, Jitter: 500 * time.Millisecond, Service: "stock", Caller: "web", Synthetic: true, Journey: chaos.ExperimentMark, Share: 0.25},
			{ID: "web-without-stock/2", Kind: "error", Status: 500, Gateway: "public", Route: "/", Header: "X-Beta", Value: "1"},
			{ID: "web-without-stock/3", Kind: "slow", Rate: 10240, Service: "bank", Synthetic: true, Journey: chaos.ExperimentMark},
		},
		Harms: []chaos.Harm{{Do: "pause", Service: "stock"}, {Do: "kill", Service: "web", Instance: "web-2"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestBadExperiments: each mistake is said with its place, all at once.
func TestBadExperiments(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, old, text, want string }{
		{"another version", "plat: 1", "plat: 2", "x.yaml:1:7: the plan's version is 2"},
		{"no YAML", "plat: 1", "plat: [", "x.yaml:"},
		{"an unknown key", "about:", "abuot:", `x.yaml:4:1: unknown field "abuot"`},
		{"no name", "experiment: web-without-stock\n", "", "x.yaml:1:1: the experiment has no name"},
		{"no label", "web-without-stock", "Web", `x.yaml:2:13: "Web" is no name`},
		{"no owner", "owner: team\n", "", "x.yaml:1:1: the experiment has no owner"},
		{"another owner", "owner: team", "owner: teem", "x.yaml:3:8: there is no owner teem"},
		{"nothing steady", "steady: {journeys: [buy], objectives: [web], answers: 99%}\n", "", "nothing must hold while things fail"},
		{"another journey", "[buy]", "[bye]", "x.yaml:5:21: there is no journey bye"},
		{"another service", "objectives: [web]", "objectives: [wbe]", "there is no service wbe"},
		{"a percentage without its sign", "answers: 99%", "answers: 99", "x.yaml:5:55: steady.answers is 99 without a unit"},
		{"another deed", "do: latency", "do: lateness", `x.yaml:7:10: faults.0.do cannot be "lateness"`},
		{"no delay", "delay: 2s, ", "", "it is not said how long"},
		{"a key for another deed", "do: pause, service: stock", "do: pause, service: stock, share: 5%", "x.yaml:10:33: share means nothing for pause"},
		{"nobody", "do: slow, service: bank", "do: slow", "x.yaml:9:5: it is not said who fails"},
		{"killing what is not ours", "do: pause, service: stock", "do: kill, service: bank", "there is no service bank"},
		{"another gateway", "gateway: public", "gateway: privy", "there is no gateway privy"},
		{"another route", "route: /", "route: /api", "there is no route /api"},
		{"a status that is none", "status: 500", "status: 200", "faults.1.status is 200"},
		{"a service and an entrance", "do: error, gateway", "do: error, from: web, gateway", "from and an entrance at once"},
		{"nobody is met", "share: 25%", "share: 0%", "the share is 0%"},
		{"more than all", "share: 25%", "share: 125%", "x.yaml:7:79: faults.0.share is \"125%\""},
		{"an unknown caller", "from: web", "from: wbe", "x.yaml:7:25: there is no service wbe"},
		{"another's instance", "instance: web-2", "instance: wbe-2", "x.yaml:11:40: wbe-2 is no instance of web"},
		{"a limit that is never reached", "failures: 3", "failures: 500", "x.yaml:13:20: the limit of 500 failures can never act"},
		{"a limit of failures of nobody", "journeys: [buy], ", "", "x.yaml:13:10: the limit of failures can never act"},
		{"a limit below everything", "limits: {failures: 3, answers: 95%}", "limits: {answers: 0%}", "x.yaml:13:19: the limit of 0% can never act"},
		{"no journeys for its own customers", "journeys: [buy], ", "", "x.yaml:7:5: nobody is met"},
		{"too long", "duration: 1m", "duration: 1h", "x.yaml:12:11: it lasts 1h"},
		{"too often", "every: 1h", "every: 90s", "x.yaml:14:8: every is 90s"},
		{"a limit before the steady state", "answers: 95%", "answers: 99.5%", "x.yaml:13:32: it ends below 99.5%"},
	} {
		if !strings.Contains(whole, tt.old) {
			t.Fatalf("%s: there is no %q", tt.name, tt.old)
		}
		_, findings := chaos.Read("x.yaml", []byte(strings.Replace(whole, tt.old, tt.text, 1)), declared())
		said := ""
		for _, f := range findings {
			said += f.Place() + ": " + f.What + "\n"
		}
		if !strings.Contains(said, tt.want) {
			t.Errorf("%s: said %q, want %q", tt.name, said, tt.want)
		}
	}
	_, findings := chaos.Read("x.yaml", []byte("x: 1\n"), declared())
	if len(findings) < 4 {
		t.Errorf("all at once: %v", findings)
	}
}

func TestFolder(t *testing.T) {
	t.Parallel()
	all, findings := chaos.Folder(fstest.MapFS{
		"experiments/b.yaml":   {Data: []byte(whole)},
		"experiments/a.yml":    {Data: []byte(strings.Replace(whole, "web-without-stock", "first", 1))},
		"experiments/c.yaml":   {Data: []byte(whole)}, // the same name
		"experiments/d.yaml":   {Data: []byte("experiment: d\n")},
		"experiments/notes.md": {Data: []byte("# Notes")},
	}, declared())
	if len(all) != 2 || all[0].Name != "first" || all[1].Name != "web-without-stock" {
		t.Errorf("experiments %v", all)
	}
	if len(findings) < 2 || findings[0].Place() != "experiments/c.yaml" {
		t.Errorf("findings %v", findings)
	}
	if all, findings := chaos.Folder(fstest.MapFS{}, declared()); len(all)+len(findings) > 0 {
		t.Errorf("of nothing: %v %v", all, findings)
	}
	if _, findings := chaos.Named(fstest.MapFS{"experiments/b.yaml": {Data: []byte(whole)}}, declared(), "web-without-stok"); len(findings) != 1 || findings[0].Remedy != "did you mean web-without-stock?" {
		t.Errorf("another name: %v", findings)
	}
}

func FuzzReadExperiment(f *testing.F) {
	f.Add([]byte(whole))
	f.Fuzz(func(t *testing.T, text []byte) {
		x, findings := chaos.Read("x.yaml", text, declared())
		if len(findings) == 0 && (x.Name == "" || len(x.Faults)+len(x.Harms) == 0 || x.Duration <= 0 || x.Failures <= 0) {
			t.Errorf("%q is taken as %+v", text, x)
		}
	})
}
