package kit_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/kit"
)

type config struct {
	Currency string        `env:"CURRENCY" default:"EUR"`
	Key      string        `env:"API_KEY" required:"true" secret:"true"`
	Limit    int           `env:"LIMIT" default:"10"`
	Total    int64         `env:"TOTAL"`
	Rate     float64       `env:"RATE" default:"0.5"`
	Every    time.Duration `env:"EVERY" default:"30s"`
	Mail     struct {
		On bool `env:"MAIL_ON"`
	}
	Own chan int `env:"-"`
	own int
}

func TestConfig(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		env  map[string]string
		want config
		err  string
	}{
		{
			name: "defaults",
			env:  map[string]string{"API_KEY": "k", "CURRENCY": ""},
			want: config{Currency: "EUR", Key: "k", Limit: 10, Rate: 0.5, Every: 30 * time.Second, own: 7},
		},
		{
			name: "all set",
			env:  map[string]string{"API_KEY": "k", "CURRENCY": "SEK", "LIMIT": "-3", "TOTAL": "9223372036854775807", "RATE": "1e3", "EVERY": "1m30s", "MAIL_ON": "true"},
			want: func() config {
				c := config{Currency: "SEK", Key: "k", Limit: -3, Total: 9223372036854775807, Rate: 1000, Every: 90 * time.Second, own: 7}
				c.Mail.On = true
				return c
			}(),
		},
		{
			name: "all mistakes at once",
			env:  map[string]string{"LIMIT": "ten", "TOTAL": "1.5", "RATE": "much", "EVERY": "30", "MAIL_ON": "yes"},
			want: config{own: 7},
			err: `configuration: API_KEY: is not set, expected a text
LIMIT: "ten" is wrong, expected a whole number
TOTAL: "1.5" is wrong, expected a whole number
RATE: "much" is wrong, expected a number
EVERY: "30" is wrong, expected a duration with its unit, such as 30s or 5m
MAIL_ON: "yes" is wrong, expected true or false`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := config{own: 7}
			var err error
			start(t, test.env, func(s *kit.Service) error { err = s.Config(&got); return nil })
			text := ""
			if err != nil {
				text = err.Error()
			}
			if d := cmp.Diff(test.err, text); d != "" {
				t.Errorf("error (-want +got):\n%s", d)
			}
			if d := cmp.Diff(test.want, got, cmp.AllowUnexported(config{})); d != "" {
				t.Errorf("config (-want +got):\n%s", d)
			}
		})
	}
}

func TestConfigNeverPrintsASecret(t *testing.T) {
	t.Parallel()
	var c struct {
		Pin int `env:"PIN" secret:"true"`
	}
	start(t, map[string]string{"PIN": "hunter2"}, func(s *kit.Service) error {
		err := s.Config(&c)
		if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "PIN: (secret) is wrong") {
			t.Errorf("got %v", err)
		}
		return nil
	})
}

func TestConfigRefusesWhatItCannotFill(t *testing.T) {
	t.Parallel()
	start(t, map[string]string{"A": "x"}, func(s *kit.Service) error {
		var plain string
		var bad struct {
			NoTag string
			Kind  []string `env:"A"`
			small string   `env:"B"`
			Def   int      `env:"C" default:"many"`
		}
		_ = bad.small
		const want = `configuration: field NoTag of struct { NoTag string; Kind []string "env:\"A\""; small string "env:\"B\""; Def int "env:\"C\" default:\"many\"" }: has no env tag (env:"-" leaves it out)`
		err := s.Config(&bad)
		if err == nil {
			t.Fatal("no error")
		}
		got := strings.Split(err.Error(), "\n")
		if len(got) != 4 || got[0] != want || !strings.Contains(got[1], "not []string") ||
			!strings.Contains(got[2], "is not exported") || got[3] != `C: default "many" is wrong, expected a whole number` {
			t.Errorf("got %s", err)
		}
		for _, dst := range []any{nil, plain, &plain, config{}, (*config)(nil)} {
			if s.Config(dst) == nil {
				t.Errorf("%T is taken", dst)
			}
		}
		return nil
	})
}
