// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"time"

	"github.com/carosio/carosbuild/pkg/decl"
)

// kinds are the actions that a step may have, by Kind.
func kinds() []string {
	return []string{
		BootstrapKind, string(decl.FromKind), string(decl.RunKind), string(decl.AddKind), string(decl.CopyKind), string(decl.EnvKind), string(decl.WorkdirKind),
		string(decl.UserKind), string(decl.ReposyncKind), string(decl.CreateBBLayersKind), string(decl.CreateLocalConfKind), string(decl.BitbakeKind),
	}
}

// randomPlan is a plan of random shape: slices and pointers in it may be nil, and
// slices may be empty.
func randomPlan(r *rand.Rand) *Plan {
	p := &Plan{}
	fill(r, reflect.ValueOf(p).Elem())
	for i := range p.Stages {
		for k := range p.Stages[i].Steps {
			s := &p.Stages[i].Steps[k]
			s.Kind = kinds()[r.IntN(len(kinds()))]
			s.Action = newAction(s.Kind)
			fill(r, reflect.ValueOf(s.Action).Elem())
		}
	}
	return p
}

// fill gives a value random content, except for fields that are not in JSON.
func fill(r *rand.Rand, v reflect.Value) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(time.Unix(r.Int64N(1<<33), r.Int64N(1e9)).UTC()))
		return
	}
	switch v.Kind() {
	case reflect.String:
		texts := []string{"", "a", "<&>\"'\\\n\t\x00\u2028", "{}", "ключ", fmt.Sprint(r.Uint64())}
		v.SetString(texts[r.IntN(len(texts))])
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int, reflect.Int64:
		v.SetInt([]int64{0, -1, 1 << 62, r.Int64()}[r.IntN(4)])
	case reflect.Pointer:
		if r.IntN(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(r, v.Elem())
		}
	case reflect.Slice:
		if n := r.IntN(5) - 1; n >= 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				fill(r, v.Index(i))
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Tag.Get("json") != "-" {
				fill(r, v.Field(i))
			}
		}
	default:
		panic("a plan has a field of type " + v.Type().String() + ", which this generator does not know")
	}
}

// settled is a plan in the form in which debian.Resolution is decoded: an empty
// list that JSON leaves out is nil.
func settled(p *Plan) *Plan {
	for _, j := range p.Stages {
		for _, s := range j.Steps {
			b, ok := s.Action.(*Bootstrap)
			if !ok || b.Packages == nil {
				continue
			}
			b.Packages.Foreign, b.Packages.Without = orNil(b.Packages.Foreign), orNil(b.Packages.Without)
		}
	}
	return p
}

func orNil(s []string) []string { return slices.Clip(append([]string(nil), s...)) }
