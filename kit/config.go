package kit

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"time"
)

// Config fills the struct that dst points to from the environment. Each
// exported field names its variable; structs inside are filled the same way:
//
//	type config struct {
//		Currency string        `env:"CURRENCY" default:"EUR"`
//		Key      string        `env:"API_KEY" required:"true" secret:"true"`
//		Every    time.Duration `env:"EVERY" default:"30s"`
//	}
//
// Fields are string, int, int64, bool, float64 or time.Duration; a variable
// that is empty counts as not set; env:"-" leaves a field alone. The error
// lists every mistake, a line each, with the variable, its value (never that
// of a field marked secret) and what was expected; dst is then unchanged.
func (s *Service) Config(dst any) error {
	v := reflect.ValueOf(dst)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("kit: Config wants a pointer to a struct, not %T", dst)
	}
	filled := reflect.New(v.Elem().Type()).Elem()
	filled.Set(v.Elem())
	if mistakes := fillStruct(filled, s.Env); len(mistakes) > 0 {
		return fmt.Errorf("configuration: %w", errors.Join(mistakes...))
	}
	v.Elem().Set(filled)
	return nil
}

func fillStruct(v reflect.Value, env func(string) string) []error {
	var mistakes []error
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, tagged := field.Tag.Lookup("env")
		switch {
		case name == "-" || !field.IsExported() && !tagged:
		case !field.IsExported():
			mistakes = append(mistakes, fmt.Errorf("field %s of %s: is not exported, so it cannot be filled", field.Name, v.Type()))
		case !tagged && field.Type.Kind() == reflect.Struct:
			mistakes = append(mistakes, fillStruct(v.Field(i), env)...)
		case !tagged || name == "":
			mistakes = append(mistakes, fmt.Errorf("field %s of %s: has no env tag (env:\"-\" leaves it out)", field.Name, v.Type()))
		default:
			if err := fillField(v.Field(i), field.Tag, name, env(name)); err != nil {
				mistakes = append(mistakes, err)
			}
		}
	}
	return mistakes
}

func fillField(v reflect.Value, tag reflect.StructTag, name, value string) error {
	fromDefault := false
	if value == "" {
		value, fromDefault = tag.Get("default"), true
	}
	if value == "" {
		if tag.Get("required") == "true" {
			return fmt.Errorf("%s: is not set, expected %s", name, expected(v.Type()))
		}
		return nil
	}
	if err := setField(v, value); err != nil {
		shown := strconv.Quote(value)
		if tag.Get("secret") == "true" {
			shown = "(secret)"
		}
		if fromDefault {
			shown = "default " + shown
		}
		return fmt.Errorf("%s: %s is wrong, expected %s", name, shown, expected(v.Type()))
	}
	return nil
}

var errConfigValue = errors.New("wrong value")

func setField(v reflect.Value, value string) error {
	if isDuration(v.Type()) {
		d, err := time.ParseDuration(value)
		v.SetInt(int64(d))
		return err
	}
	switch v.Kind() { //nolint:exhaustive // the documented kinds; all others are refused
	case reflect.String:
		v.SetString(value)
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(value, 10, v.Type().Bits())
		v.SetInt(n)
		return err
	case reflect.Float64:
		f, err := strconv.ParseFloat(value, 64)
		v.SetFloat(f)
		return err
	case reflect.Bool:
		switch value {
		case "true", "1":
			v.SetBool(true)
		case "false", "0":
			v.SetBool(false)
		default:
			return errConfigValue
		}
	default:
		return errConfigValue
	}
	return nil
}

func expected(t reflect.Type) string {
	if isDuration(t) {
		return "a duration with its unit, such as 30s or 5m"
	}
	switch t.Kind() { //nolint:exhaustive // the documented kinds; all others are refused
	case reflect.String:
		return "a text"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "true or false"
	}
	return "a field of type string, int, int64, bool, float64 or time.Duration, not " + t.String()
}

func isDuration(t reflect.Type) bool { return t == reflect.TypeFor[time.Duration]() }
