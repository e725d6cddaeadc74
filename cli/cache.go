package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/api"
)

func (a *app) cache() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "cache",
		Short:   "What the gateways keep for others, why, and how to get it out",
		Long:    "Lists the gateways' caches: what they hold and how often they answer. A cache is\nswitched on by cache: in the plan, for a gateway.",
		Example: "  plat cache\n  plat cache list albums\n  plat cache why http://127.0.0.1:8080/api/albums\n  plat cache path http://127.0.0.1:8080/api/albums\n  plat cache purge --tag albums",
		GroupID: "monitoring",
		Args:    args(0, 0, "no arguments"),
	}
	a.outputs(cmd, "table", "wide", "json", "yaml", "name")
	cmd.RunE = a.asking(func(cmd *cobra.Command, client *api.Client, _ []string) error {
		all, err := client.Caches(cmd.Context())
		if err != nil {
			return err
		}
		if len(all.Caches) == 0 {
			a.words("no gateway has a cache: add cache: {memory: 64MiB} to one in plat.yaml")
		}
		t := table{header: []string{"GATEWAY", "ENTRIES", "BYTES", "OF", "HIT RATIO", "HITS", "STALE", "MISSES", "EVICTED", "VALIDATED", "COLLAPSED", "BYPASSED", "REFUSED", "TOO LARGE", "PURGED"}, wide: 9}
		n := func(v uint64) string { return strconv.FormatUint(v, 10) }
		for _, c := range all.Caches {
			t.rows = append(t.rows, []string{
				c.Gateway, strconv.Itoa(c.Entries), n(c.Bytes), strconv.FormatInt(c.Memory, 10), fmt.Sprintf("%.1f %%", 100*c.HitRatio), n(c.Hits), n(c.Stale), n(c.Misses), n(c.Evicted),
				n(c.Validated), n(c.Collapsed), n(c.Bypassed), n(c.Refused), n(c.TooLarge), n(c.Purged),
			})
		}
		return a.print(all, t)
	})
	cmd.AddCommand(a.cacheList(), a.cacheWhy(), a.cachePath(), a.cachePurge())
	return cmd
}

func (a *app) cacheList() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list [TEXT]",
		Short:   "What is kept, the latest first",
		Long:    "Lists what the gateways keep: all, or what has a text in its URL, or bears this tag.",
		Example: "  plat cache list\n  plat cache list /api/albums --gateway public\n  plat cache list albums --limit 1000 -o json",
		Args:    args(0, 1, "at most a part of the URL, or a tag"),
	}
	only := cmd.Flags().String("gateway", "", "of this gateway alone")
	limit := cmd.Flags().Int("limit", 100, "so many of each gateway at most, 1 to 1000")
	a.outputs(cmd, "table", "json", "yaml", "name")
	cmd.RunE = a.asking(func(cmd *cobra.Command, client *api.Client, given []string) error {
		all := api.Caches{Caches: []api.Cache{{Gateway: *only}}}
		if *only == "" {
			var err error
			if all, err = client.Caches(cmd.Context()); err != nil {
				return err
			}
		}
		lists := map[string]api.CacheList{}
		t := table{header: []string{"URL", "GATEWAY", "STATUS", "AGE", "FRESH FOR", "BYTES", "VARIANTS", "TAGS"}}
		for _, c := range all.Caches {
			list, err := client.CacheList(cmd.Context(), c.Gateway, strings.Join(given, ""), *limit)
			if err != nil {
				return err
			}
			lists[c.Gateway] = list
			for _, e := range list.Entries {
				left := max(0, e.Latest.Lifetime-e.Latest.Age)
				t.rows = append(t.rows, []string{e.URL, c.Gateway, strconv.Itoa(e.Latest.Status), lasting(e.Latest.Age), lasting(left), strconv.Itoa(e.Bytes), strconv.Itoa(e.Variants), strings.Join(e.Latest.Tags, " ")})
			}
			if n := list.Found - len(list.Entries); n > 0 {
				a.words("%d more of %s: --limit lists more", n, c.Gateway)
			}
		}
		return a.print(lists, t)
	})
	return cmd
}

func (a *app) cacheWhy() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "why URL",
		Short:   "Why a GET is a hit or a miss",
		Long:    "Tells what would become of a GET of the URL, as the gateway's cache stands now: by\nwhich key it is looked up, which answers are kept, how their freshness comes about, and\nwhich rule decides. It changes nothing. Where several gateways lead the URL to a\nservice, it is told of the first that has something to answer with, or of --gateway.",
		Example: "  plat cache why http://127.0.0.1:8080/api/albums\n  plat cache why http://127.0.0.1:8080/api/albums --header 'Accept-Language: de'\n  plat cache why http://shop.example/api/albums --gateway public",
	}
	return a.aboutURL(cmd, func(w api.CacheWhy) error {
		if a.output == "table" {
			a.words("%s: %s", w.Verdict, w.Rule)
			a.words("key %s, gateway %s, route %s to %s", w.Key, w.Gateway, w.Route, w.Service)
			for _, other := range w.Others {
				a.words("the gateway %s leads this URL to a service, too: --gateway %s asks it", other, other)
			}
		}
		t := table{header: []string{"CHOSEN", "STATUS", "AGE", "FRESH FOR", "BY", "BYTES", "VARY", "TAGS"}}
		for _, v := range w.Variants {
			chosen := ""
			if v.Chosen {
				chosen = "*"
			}
			t.rows = append(t.rows, []string{chosen, strconv.Itoa(v.Status), lasting(v.Age), lasting(v.Lifetime), v.Basis, strconv.Itoa(v.Bytes), strings.Join(v.Vary, "; "), strings.Join(v.Tags, " ")})
		}
		return a.print(w, t)
	})
}

func (a *app) cachePath() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "path URL",
		Short:   "Everywhere an answer may be stuck, and for how long",
		Long:    "Lists where the answer, or what it is made from, may be: caches on the way to a client,\nby what the last answer said to them; the gateway's; last good answers that stand in\nbetween services; and copies that services keep by kit/fresh. FOR is how long each may\nserve it without asking, STALE FOR how much longer when nobody answers. All gateways\nthat lead the URL to a service are looked into, or --gateway alone.",
		Example: "  plat cache path http://127.0.0.1:8080/api/albums\n  plat cache path http://127.0.0.1:8080/api/albums -o json | jq '.places'",
	}
	return a.aboutURL(cmd, func(w api.CacheWhy) error {
		if a.output == "table" && w.Verdict == "miss" {
			a.words("the gateway asks the service: %s", w.Rule)
		}
		t := table{header: []string{"PLACE", "FOR", "STALE FOR", "UNDO"}}
		for _, p := range w.Places {
			t.rows = append(t.rows, []string{p.Place, lasting(p.Seconds), lasting(p.Stale), p.Undo})
		}
		return a.print(w, t)
	})
}

// aboutURL makes cmd ask what the caches know of one URL.
func (a *app) aboutURL(cmd *cobra.Command, say func(api.CacheWhy) error) *cobra.Command {
	cmd.Args = args(1, 1, "a URL")
	only := cmd.Flags().String("gateway", "", "of this gateway alone; without it, of the one at the URL's address, or of all that lead it to a service")
	fields := cmd.Flags().StringArray("header", nil, "a field of the request, as 'Accept-Language: de'; may be repeated")
	a.outputs(cmd, "table", "json", "yaml")
	cmd.RunE = a.asking(func(cmd *cobra.Command, client *api.Client, given []string) error {
		w, err := client.CacheWhy(cmd.Context(), *only, given[0], *fields)
		if err != nil {
			return err
		}
		return say(w)
	})
	return cmd
}

func (a *app) cachePurge() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "purge (URL | --tag TAG)",
		Short:   "Take answers out of the gateways' caches",
		Long:    "Takes out what is kept for a URL, in all its variants, or whatever bears a tag, and says\nwhere it was: in each gateway that may keep it, and in between services, where last good\nanswers of the URL or tag stand in. --gateway takes it out of that gateway's cache alone.\nTags are those of the answer's Surrogate-Key (parted by spaces) or Cache-Tag (by commas),\nand of the route's cache: {tags: […]}. What a gateway fetches at this moment is not kept\neither.",
		Example: "  plat cache purge http://127.0.0.1:8080/api/albums\n  plat cache purge http://shop.example/api/albums --gateway public\n  plat cache purge --tag albums",
		Args:    args(0, 1, "a URL, or --tag"),
	}
	tag := cmd.Flags().String("tag", "", "whatever bears this tag")
	only := cmd.Flags().String("gateway", "", "out of this gateway's cache alone")
	a.outputs(cmd, "table", "json", "yaml")
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		if (len(given) == 0) == (*tag == "") {
			return usage(cmd, "expected a URL, or --tag")
		}
		what := api.CachePurge{Tag: *tag, Gateway: *only}
		if len(given) > 0 {
			what.URL = given[0]
		}
		client, _, err := a.connect()
		if err != nil {
			return err
		}
		done, err := client.PurgeCache(cmd.Context(), what)
		if err != nil {
			return err
		}
		t := table{header: []string{"PLACE", "PURGED"}}
		for _, from := range done.Gateways {
			t.rows = append(t.rows, []string{"the gateway " + from.Gateway, strconv.Itoa(from.Purged)})
		}
		if *only == "" {
			t.rows = append(t.rows, []string{"last good answers between services", strconv.Itoa(done.LastGood)})
		}
		return a.print(done, t)
	}
	return cmd
}

// lasting writes seconds as a duration.
func lasting(seconds float64) string {
	return (time.Duration(seconds) * time.Second).String()
}
