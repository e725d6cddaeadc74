package serve

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/plat-dev/plat/api"
)

// Keeper tells what the gateways keep for others, and forgets it.
type Keeper interface {
	Caches() api.Caches
	CacheList(gateway, like string, most int) (api.CacheList, error)
	CacheWhy(gateway, url string, fields []string) (api.CacheWhy, error)
	PurgeCache(what api.CachePurge) (api.CachePurged, error)
}

func registerCache(a huma.API, k Keeper) {
	if k == nil {
		return
	}
	huma.Get(a, "/v1/cache", func(context.Context, *struct{}) (*body[api.Caches], error) {
		return &body[api.Caches]{k.Caches()}, nil
	})
	huma.Get(a, "/v1/cache/why", func(_ context.Context, in *struct {
		URL     string   `query:"url" required:"true" maxLength:"8192" doc:"The whole URL, as a client uses it."`
		Gateway string   `query:"gateway" maxLength:"128" doc:"Of this gateway alone."`
		Field   []string `query:"field,explode" maxItems:"64" doc:"A field of the request, as Accept-Language: de."`
	}) (*body[api.CacheWhy], error) {
		why, err := k.CacheWhy(in.Gateway, in.URL, in.Field)
		return &body[api.CacheWhy]{why}, problem(err)
	})
	huma.Get(a, "/v1/cache/{gateway}/entries", func(_ context.Context, in *struct {
		Gateway string `path:"gateway" maxLength:"128"`
		Like    string `query:"q" maxLength:"2048" doc:"A part of the URL, or a tag."`
		Limit   int    `query:"limit" default:"100" minimum:"1" maximum:"1000"`
	}) (*body[api.CacheList], error) {
		list, err := k.CacheList(in.Gateway, in.Like, in.Limit)
		return &body[api.CacheList]{list}, problem(err)
	})
	huma.Register(a, post("purge-cache", "/v1/cache/purge", http.StatusOK), func(_ context.Context, in *struct{ Body api.CachePurge }) (*body[api.CachePurged], error) {
		done, err := k.PurgeCache(in.Body)
		return &body[api.CachePurged]{done}, problem(err)
	})
}
