// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/source/debian/signed"
)

// asked has the parameters that all archives of one Resolve share.
type asked struct {
	b    Bootstrap
	h    Host
	keys signed.Keys
	from []string // of the keys
	now  time.Time
}

// offer is what one archive offers.
type offer struct {
	release release
	texts   []string // Packages files
	absent  bool     // the mirror does not have the suite, which is optional
}

// readArchive reads a suite's release and Packages files. The mirror may change in
// between, so inconsistent files are read once more.
func (f *Fetcher) readArchive(ctx context.Context, q asked, a archive) (offer, error) {
	for n := 0; ; n++ {
		rel, err := f.readRelease(ctx, q, a)
		if a.Updates && isMissing(err) {
			return offer{absent: true}, nil
		}
		if err != nil {
			return offer{}, q.explain(a, err, isMissing(err))
		}
		o := offer{release: rel}
		for _, arch := range append([]string{q.b.arch()}, q.b.foreign()...) {
			for _, c := range q.b.components() {
				var text string
				if text, err = f.readIndex(ctx, a, rel, c, arch); err != nil {
					break
				}
				o.texts = append(o.texts, text)
			}
		}
		if err == nil {
			return o, nil
		}
		if n == 1 || ctx.Err() != nil || isLocal(err) {
			if s := (*transferError)(nil); isMissing(err) || errors.As(err, &s) {
				err = fmt.Errorf("%w; is the mirror being updated?", err)
			}
			return offer{}, q.explain(a, err, false)
		}
	}
}

// isMissing reports whether a server has no such file.
func isMissing(err error) bool {
	s, ok := errors.AsType[*statusError](err)
	return ok && (s.code == http.StatusNotFound || s.code == http.StatusGone)
}

// explain says which attribute could help. A suite that neither a known
// distribution nor the mirror has is a mistake of the declaration.
func (q asked) explain(a archive, err error, missing bool) error {
	if isLocal(err) {
		return err
	}
	_, known := distributionOf(a.Suite)
	switch {
	case a.Security && AsMistakes(err) == nil:
		m := &Mistake{Attr: "security-mirror", Value: q.b.SecurityMirror, Err: err}
		m.Hint = fmt.Sprintf("%s=%q leaves them out, an address names another mirror", m.Attr, NoMirror)
		if missing {
			m.Text = fmt.Sprintf("the mirror %s has no suite %s", a.URL, a.Suite)
			return m
		}
		return fmt.Errorf("security updates: %w (%s)", err, m.Hint)
	case missing && !known:
		m := &Mistake{
			Attr: "suite", Value: a.Suite, Text: fmt.Sprintf("the mirror %s has no suite %q", a.URL, a.Suite), Err: err,
			Hint: `a suite is a directory below dists/ of the mirror; mirror="ADDRESS" names another one`,
		}
		_, part := splitSuite(a.Suite)
		for _, name := range KnownSuites() {
			m.Known = append(m.Known, name+part)
		}
		return m
	case missing && q.b.Mirror != "":
		return &Mistake{
			Attr: "mirror", Value: q.b.Mirror, Text: fmt.Sprintf("the mirror %s has no suite %s", a.URL, a.Suite), Err: err,
			Hint: "the address is that of the directory which has dists/" + a.Suite,
		}
	case missing:
		return fmt.Errorf("the mirror %s has no suite %s: %w", a.URL, a.Suite, err)
	}
	return err
}

// readRelease reads the list of a suite's files: InRelease, which contains its
// signature, or else Release with a separate signature.
func (f *Fetcher) readRelease(ctx context.Context, q asked, a archive) (release, error) {
	dir := a.URL + "/dists/" + a.Suite + "/"
	address := dir + "InRelease"
	text, err := f.readSigned(ctx, q, address)
	if isMissing(err) {
		inline := err
		address = dir + "Release"
		if text, err = f.readDetached(ctx, q, address); isMissing(err) {
			err = inline
		}
	}
	if err != nil {
		return release{}, err
	}
	rel, err := parseRelease(text)
	if err != nil {
		return release{}, fmt.Errorf("%s: %w", redact(address), err)
	}
	checkUntil := !q.h.IgnoreValidUntil && q.b.Snapshot == ""
	checkDate := !q.h.IgnoreDate && q.b.Snapshot == ""
	if err := rel.check(a, q.b, checkUntil, checkDate, q.now); err != nil {
		return release{}, fmt.Errorf("%s: %w", redact(address), err)
	}
	f.event(Event{Phase: "resolve", Item: a.Suite})
	return rel, nil
}

// readSigned reads a file that contains its own signature.
func (f *Fetcher) readSigned(ctx context.Context, q asked, address string) (string, error) {
	message, err := f.revalidate(ctx, address)
	if err != nil {
		return "", fmt.Errorf("read the release file: %w", err)
	}
	text, err := signed.VerifyClearsigned(message, q.keys, q.now)
	if err != nil {
		return "", q.untrusted(address, err)
	}
	return text, nil
}

// readDetached reads a file with a separate signature. The mirror may change
// between the two requests, so a mismatch counts only the second time.
func (f *Fetcher) readDetached(ctx context.Context, q asked, address string) (string, error) {
	for n := 0; ; n++ {
		message, err := f.revalidate(ctx, address)
		var signature []byte
		if err == nil {
			if signature, err = f.revalidate(ctx, address+".gpg"); isMissing(err) {
				return "", &untrustedError{redact(address), errors.New("it has no signature: there is neither InRelease nor Release.gpg")}
			}
		}
		if err != nil {
			return "", fmt.Errorf("read the release file: %w", err)
		}
		err = signed.VerifyDetached(message, signature, q.keys, q.now)
		if err == nil {
			return string(message), nil
		}
		if n == 1 || ctx.Err() != nil {
			return "", q.untrusted(address, err)
		}
	}
}

// untrusted explains a release file without a good signature of a known key.
func (q asked) untrusted(address string, err error) error {
	u, ok := errors.AsType[*signed.UnknownKeys](err)
	if !ok {
		return &untrustedError{redact(address), err}
	}
	d, _ := distributionOf(q.b.Suite)
	m := &Mistake{
		Attr: "keyring", Value: q.b.Keyring, Err: err,
		Text: fmt.Sprintf("%s is signed by %s, which %s not in %s", redact(address), u, isOrAre(u.Keys), strings.Join(q.from, ", ")),
		Hint: `keyring="FILE" names the archive's keys`,
	}
	if q.b.Keyring == "" {
		m.Attr, m.Value = "suite", q.b.Suite
		m.Hint += fmt.Sprintf("; those of %s are in the package %s", d.title, d.keyringPackage)
	}
	return m
}

func isOrAre(list []string) string {
	if len(list) == 1 {
		return "is"
	}
	return "are"
}
