package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// currency is what the catalogue's prices are in.
const currency = "EUR"

// links are HAL links by relation.
type links map[string]link

type link struct {
	Href string `json:"href"`
}

type money struct {
	Amount   int64  `json:"amount" doc:"In minor units: 1299 is 12.99."`
	Currency string `json:"currency" example:"EUR"`
}

type album struct {
	Links  links   `json:"_links"`
	SKU    string  `json:"sku" example:"MC-0042"`
	Title  string  `json:"title"`
	Artist string  `json:"artist"`
	Genre  string  `json:"genre"`
	Year   int     `json:"year"`
	Label  string  `json:"label"`
	Price  money   `json:"price"`
	Cover  string  `json:"cover" format:"uri-reference" doc:"Where the picture of the cover is."`
	Tracks []Track `json:"tracks,omitempty" nullable:"false" doc:"Left out in lists."`
}

type albumPage struct {
	Links    links `json:"_links" doc:"self, first and last; prev and next where they exist."`
	Page     page  `json:"page"`
	Embedded struct {
		Albums []album `json:"albums" nullable:"false"`
	} `json:"_embedded"`
}

type page struct {
	Number int `json:"number" doc:"From 1."`
	Size   int `json:"size"`
	Total  int `json:"total" doc:"How many albums the search finds."`
	Pages  int `json:"pages" doc:"How many pages they fill; at least 1."`
}

type genre struct {
	Links  links  `json:"_links"`
	Name   string `json:"name"`
	Albums int    `json:"albums" doc:"How many albums it has."`
}

type genreList struct {
	Links    links `json:"_links"`
	Embedded struct {
		Genres []genre `json:"genres" nullable:"false"`
	} `json:"_embedded"`
}

// api answers for the catalogue over HTTP.
type api struct{ store *Store }

// newAPI registers the operations on mux and returns their description.
func newAPI(mux *http.ServeMux, log *slog.Logger, store *Store) *huma.OpenAPI {
	config := huma.DefaultConfig("MusicCorp catalog", "1.0.0")
	config.Info.Description = "The albums that MusicCorp sells."
	config.DocsPath, config.SchemasPath, config.CreateHooks = "", "", nil
	config.Transformers = []huma.Transformer{problems(log)}
	h := humago.New(mux, config)

	a := api{store}
	huma.Register(h, huma.Operation{
		OperationID: "list-albums", Method: http.MethodGet, Path: "/api/albums", Summary: "List or search albums",
	}, a.listAlbums)
	huma.Register(h, huma.Operation{
		OperationID: "get-album", Method: http.MethodGet, Path: "/api/albums/{sku}", Summary: "Get an album with its tracks",
		Errors: []int{http.StatusNotFound},
	}, a.getAlbum)
	huma.Register(h, huma.Operation{
		OperationID: "get-cover", Method: http.MethodGet, Path: "/api/albums/{sku}/cover", Summary: "Get the picture of an album's cover",
		Errors: []int{http.StatusNotFound},
		Responses: map[string]*huma.Response{"200": {
			Description: "OK", Content: map[string]*huma.MediaType{svg: {Schema: &huma.Schema{Type: huma.TypeString}}},
		}},
	}, a.getCover)
	huma.Register(h, huma.Operation{
		OperationID: "list-genres", Method: http.MethodGet, Path: "/api/genres", Summary: "List the genres",
	}, a.listGenres)
	describeProblems(h.OpenAPI())
	return h.OpenAPI()
}

type listInput struct {
	Query string   `query:"query" maxLength:"200" doc:"Words that title, artist or genre must have; each may be the beginning of a word."`
	Genre string   `query:"genre" maxLength:"50"`
	SKUs  []string `query:"sku,explode" maxItems:"100" nullable:"false" doc:"Of these albums alone; one that is not sold is left out."`
	Sort  string   `query:"sort" enum:"title,newest" default:"title"`
	Page  int      `query:"page" minimum:"1" maximum:"10000" default:"1"`
	Size  int      `query:"size" minimum:"1" maximum:"100" default:"20"`
	IfNoneMatch
}

type listOutput struct {
	Validity
	Body albumPage
}

func (a api) listAlbums(ctx context.Context, in *listInput) (*listOutput, error) {
	found, total, err := a.store.Albums(ctx, Search{
		Query: in.Query, Genre: in.Genre, SKUs: in.SKUs, Newest: in.Sort == "newest",
		Limit: in.Size, Offset: (in.Page - 1) * in.Size,
	})
	if err != nil {
		return nil, err
	}
	out := &listOutput{Body: albumPage{
		Page: page{Number: in.Page, Size: in.Size, Total: total, Pages: max(1, (total+in.Size-1)/in.Size)},
	}}
	out.Body.Links = in.links(out.Body.Page.Pages)
	out.Body.Embedded.Albums = make([]album, 0, len(found))
	for _, f := range found {
		out.Body.Embedded.Albums = append(out.Body.Embedded.Albums, represent(f))
	}
	out.Validity, err = in.validate(out.Body)
	return out, err
}

// links lead through the pages of the search.
func (in *listInput) links(pages int) links {
	to := func(page int) link {
		q := url.Values{"page": {strconv.Itoa(page)}, "size": {strconv.Itoa(in.Size)}}
		for name, value := range map[string]string{"query": in.Query, "genre": in.Genre, "sort": in.Sort} {
			if value != "" {
				q.Set(name, value)
			}
		}
		for _, sku := range in.SKUs {
			q.Add("sku", sku)
		}
		return link{"/api/albums?" + q.Encode()}
	}
	l := links{"self": to(in.Page), "first": to(1), "last": to(pages)}
	if in.Page > 1 {
		l["prev"] = to(min(in.Page-1, pages))
	}
	if in.Page < pages {
		l["next"] = to(in.Page + 1)
	}
	return l
}

type albumInput struct {
	SKU string `path:"sku" maxLength:"20" example:"MC-0042"`
	IfNoneMatch
}

type albumOutput struct {
	Validity
	Body album
}

func (a api) getAlbum(ctx context.Context, in *albumInput) (*albumOutput, error) {
	found, err := a.find(ctx, in.SKU)
	if err != nil {
		return nil, err
	}
	out := &albumOutput{Body: represent(found)}
	out.Validity, err = in.validate(out.Body)
	return out, err
}

type coverOutput struct {
	Validity
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (a api) getCover(ctx context.Context, in *albumInput) (*coverOutput, error) {
	found, err := a.find(ctx, in.SKU)
	if err != nil {
		return nil, err
	}
	out := &coverOutput{ContentType: svg, Body: drawCover(found)}
	out.Validity, err = in.validate(out.Body)
	return out, err
}

func (a api) find(ctx context.Context, sku string) (Album, error) {
	found, err := a.store.Album(ctx, sku)
	if errors.Is(err, errNoAlbum) {
		return Album{}, huma.Error404NotFound(fmt.Sprintf("there is no album %q", sku))
	}
	return found, err
}

type genresOutput struct {
	Validity
	Body genreList
}

func (a api) listGenres(ctx context.Context, in *IfNoneMatch) (*genresOutput, error) {
	found, err := a.store.Genres(ctx)
	if err != nil {
		return nil, err
	}
	out := &genresOutput{Body: genreList{Links: links{"self": {"/api/genres"}}}}
	for _, g := range found {
		to := link{"/api/albums?" + url.Values{"genre": {g.Name}}.Encode()}
		out.Body.Embedded.Genres = append(out.Body.Embedded.Genres, genre{Links: links{"albums": to}, Name: g.Name, Albums: g.Albums})
	}
	out.Validity, err = in.validate(out.Body)
	return out, err
}

func represent(a Album) album {
	self := "/api/albums/" + url.PathEscape(a.SKU)
	cover := self + "/cover"
	return album{
		Links: links{"self": {self}, "cover": {cover}},
		SKU:   a.SKU, Title: a.Title, Artist: a.Artist, Genre: a.Genre, Year: a.Year, Label: a.Label,
		Price: money{a.Price, currency}, Cover: cover, Tracks: a.Tracks,
	}
}

// IfNoneMatch is what a cache sends to ask whether its copy is still good.
type IfNoneMatch struct {
	Tags string `header:"If-None-Match" doc:"ETags of the copies that the client has."`
}

// Validity tells a cache how long its copy is good and how to ask again.
type Validity struct {
	CacheControl string `header:"Cache-Control"`
	ETag         string `header:"ETag"`
}

// validate gives the body its validity. Its error is a 304 if the client has
// the body already.
func (in IfNoneMatch) validate(body any) (Validity, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return Validity{}, err
	}
	v := Validity{CacheControl: "public, max-age=60, stale-if-error=86400", ETag: fmt.Sprintf(`"%x"`, sha256.Sum256(raw))}
	for tag := range strings.SplitSeq(in.Tags, ",") {
		tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
		if tag == v.ETag || tag == "*" {
			return v, huma.ErrorWithHeaders(huma.Status304NotModified(), http.Header{"Cache-Control": {v.CacheControl}, "Etag": {v.ETag}})
		}
	}
	return v, nil
}
