// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Pins that older versions have written are read, so that nothing is looked up again.
func TestResolutionOfOlderPins(t *testing.T) {
	const old = `{"Suite":"bookworm","Arch":"amd64","Variant":"minbase","MergedUsr":true,"Sources":"deb x","Releases":[{"Suite":"bookworm","URL":"http://m"}],
		"Without":["bookworm-updates"],"Packages":[{"Name":"bash","Version":"1","Arch":"amd64","Role":"essential","Auto":true,"URL":"http://m","Filename":"f","Size":7,"Installed":9,"SHA256":"ab"}]}`
	want := Resolution{
		Suite: "bookworm", Arch: "amd64", Variant: "minbase", MergedUsr: true, Sources: "deb x", Releases: []Release{{Suite: "bookworm", URL: "http://m"}},
		Without:  []string{"bookworm-updates"},
		Packages: []Package{{Name: "bash", Version: "1", Arch: "amd64", Role: Essential, Auto: true, URL: "http://m", Filename: "f", Size: 7, Installed: 9, Sum: "ab"}},
	}
	for _, merged := range []bool{true, false} {
		want.MergedUsr = merged
		now, err := json.Marshal(&want)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{strings.Replace(old, `"MergedUsr":true`, `"MergedUsr":`+map[bool]string{true: "true", false: "false"}[merged], 1), string(now)} {
			var got Resolution
			if err := json.Unmarshal([]byte(text), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, want); diff != "" {
				t.Errorf("%s (-got +want):\n%s", text, diff)
			}
		}
	}
}

// What of a host is shown has no password, and still says all that decides where apt
// reads from.
func TestPublicHost(t *testing.T) {
	h := Host{
		Mirror: "http://m/debian", Keyrings: []string{"/k"}, HTTPProxy: "http://u:secret@p:1", HTTPSProxy: "http://p:2", NoProxy: []string{"x"},
		IgnoreDate: true, logins: []login{{host: "m"}},
	}
	want := Host{Mirror: "http://m/debian", HTTPSProxy: "http://p:2", NoProxy: []string{"x"}, IgnoreDate: true}
	if diff := cmp.Diff(h.Public(), want, cmp.AllowUnexported(Host{}, login{})); diff != "" {
		t.Errorf("(-got +want):\n%s", diff)
	}
	if h.HTTPProxy == "" || h.logins == nil {
		t.Error("the host itself was changed")
	}
	data, err := json.Marshal(h.Public())
	if err != nil || strings.Contains(string(data), "secret") {
		t.Errorf("%s, %v", data, err)
	}
	var back Host
	if err := json.Unmarshal(data, &back); err != nil || !cmp.Equal(back, want, cmp.AllowUnexported(Host{}, login{})) {
		t.Errorf("%s came back as %+v, %v", data, back, err)
	}
}

type owned struct{}

func (owned) Chown(int, string, int, int) error { return nil }

// A fetcher with other events does everything else alike.
func TestReporting(t *testing.T) {
	f := &Fetcher{Cache: "c", HTTP: &http.Client{}, Jobs: 3, Events: func(Event) { t.Error("the old events are told") }, SkipOwners: true, Owners: owned{}, Backoff: time.Second}
	told := 0
	got := f.Reporting(func(Event) { told++ })
	got.event(Event{})
	if told != 1 {
		t.Errorf("told %d times", told)
	}
	a, b := reflect.ValueOf(f).Elem(), reflect.ValueOf(got).Elem()
	for i := range a.NumField() {
		switch name := a.Type().Field(i); {
		case !name.IsExported() || name.Name == "Events":
		case a.Field(i).IsZero():
			t.Errorf("this test does not set %s", name.Name)
		case a.Field(i).Interface() != b.Field(i).Interface():
			t.Errorf("%s is %v, want %v", name.Name, b.Field(i), a.Field(i))
		}
	}
}
