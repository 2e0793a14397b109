// SPDX-License-Identifier: MPL-2.0

package release

import (
	"fmt"
	"net/url"
	"strings"
)

// markdown is the text of the changes.
func (r *Release) markdown() string {
	c := r.Changes
	var b strings.Builder
	fmt.Fprintf(&b, "# %s: changes since %s\n\n", plain(r.title()), plain(c.Since))
	fmt.Fprintf(&b, "Build %s of %s.\n", plain(r.BuildID), r.Date.UTC().Format("2006-01-02"))
	b.WriteString("\n## Packages\n\n")
	switch {
	case c.Unlisted:
		b.WriteString("One of the two releases has no list of packages.\n")
	case len(c.Added)+len(c.Removed)+len(c.Changed) == 0:
		b.WriteString("No package has changed.\n")
	default:
		fmt.Fprintf(&b, "%d changed, %d added, %d removed.\n", len(c.Changed), len(c.Added), len(c.Removed))
		c.packageLists(&b)
	}
	if len(r.Layers) == 0 && len(c.Layers) == 0 {
		return b.String()
	}
	b.WriteString("\n## Git layers\n")
	if len(c.Layers) == 0 {
		b.WriteString("\nNo layer has changed.\n")
	}
	for _, l := range c.Layers {
		l.markdown(&b)
	}
	return b.String()
}

func (c *Changes) packageLists(b *strings.Builder) {
	if len(c.Changed) > 0 {
		b.WriteString("\n### Changed\n\n")
		for _, p := range c.Changed {
			fmt.Fprintf(b, "- %s (%s): %s → %s\n", plain(p.Name), plain(p.Architecture), plain(p.Old), plain(p.New))
		}
	}
	for _, list := range []struct {
		title    string
		packages []Package
	}{{"Added", c.Added}, {"Removed", c.Removed}} {
		if len(list.packages) > 0 {
			fmt.Fprintf(b, "\n### %s\n\n", list.title)
		}
		for _, p := range list.packages {
			fmt.Fprintf(b, "- %s (%s) %s\n", plain(p.Name), plain(p.Architecture), plain(p.Version))
		}
	}
}

func (x *LayerChange) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "\n### %s\n\n", plain(x.Path))
	if x.OldURL != "" {
		fmt.Fprintf(b, "%s, before: %s\n\n", plain(x.URL), plain(x.OldURL))
	} else {
		fmt.Fprintf(b, "%s\n\n", plain(x.URL))
	}
	switch {
	case x.Old == "":
		fmt.Fprintf(b, "New, at %s.\n", short(x.New))
		return
	case x.New == "":
		fmt.Fprintf(b, "Removed; it was at %s.\n", short(x.Old))
		return
	}
	fmt.Fprintf(b, "%s to %s", short(x.Old), short(x.New))
	if x.Unknown != "" {
		fmt.Fprintf(b, "; there is no log: %s.\n", x.Unknown)
		return
	}
	b.WriteString(":\n\n")
	for _, c := range x.Commits {
		fmt.Fprintf(b, "- %s %s\n", short(c.ID), plain(c.Subject))
	}
	for _, c := range x.Undone {
		fmt.Fprintf(b, "- taken back: %s %s\n", short(c.ID), plain(c.Subject))
	}
	if x.Omitted > 0 {
		fmt.Fprintf(b, "- and %d more\n", x.Omitted)
	}
}

// short is enough of a commit id for people.
func short(id string) string { return plain(id[:min(len(id), 10)]) }

// plain is a foreign text without a meaning in Markdown or HTML, on
// one line.
func plain(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029:
			b.WriteRune('\uFFFD')
		case r == '<':
			b.WriteString("&lt;")
		case r == '&':
			b.WriteString("&amp;")
		case strings.ContainsRune("\\`*_[]#|~!", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// publicURL is an address without user and password.
func publicURL(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.User == nil {
		return s
	}
	u.User = nil
	return u.String()
}
