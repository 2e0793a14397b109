// SPDX-License-Identifier: MPL-2.0

package report

import (
	"fmt"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/words"
)

type changesView struct {
	Since        string
	NoPackages   string // why none are listed
	Packages     []packageView
	MorePackages int
	Layers       string
	New, Gone    stepsView
}

type packageView struct{ Class, Name, Old, New string }

type stepsView struct {
	Rows []stepName
	More int
}

// Limits of lists.
const (
	mostPackages = 500
	mostSteps    = 200
)

func newChangesView(c *Changes) *changesView {
	v := &changesView{Since: clean(c.Since)}
	v.packages(c)
	v.layers(&c.Layers)
	return v
}

func (v *changesView) packages(c *Changes) {
	p := c.Packages
	switch {
	case p == nil:
		v.NoPackages = clean(c.Why)
		return
	case p.Unlisted:
		v.NoPackages = "One of the two builds has no list of packages."
		return
	}
	for _, x := range p.Changed {
		v.Packages = append(v.Packages, packageView{"changed", clean(x.Name), clean(x.Old), clean(x.New)})
	}
	for _, x := range p.Added {
		v.Packages = append(v.Packages, packageView{"added", clean(x.Name), "–", clean(x.Version)})
	}
	for _, x := range p.Removed {
		v.Packages = append(v.Packages, packageView{"removed", clean(x.Name), clean(x.Version), "–"})
	}
	if v.MorePackages = len(v.Packages) - mostPackages; v.MorePackages > 0 {
		v.Packages = v.Packages[:mostPackages]
	} else {
		v.MorePackages = 0
	}
	if len(v.Packages) == 0 {
		v.NoPackages = "The same packages in the same versions."
	}
}

func (v *changesView) layers(c *LayerChanges) {
	if c.Unknown {
		v.Layers = "The layers of one of the two builds are not known."
		return
	}
	v.New, v.Gone = newStepsView(c.New), newStepsView(c.Gone)
	v.Layers = fmt.Sprintf("%s (%s) are the same; %s new, %s no longer used.", words.Count(c.Same, "layer"), bytesize.Format(c.SameSize), sum(c.New), sum(c.Gone))
	if c.Same == 1 {
		v.Layers = fmt.Sprintf("1 layer (%s) is the same; %s new, %s no longer used.", bytesize.Format(c.SameSize), sum(c.New), sum(c.Gone))
	}
}

func sum(all []LayerChange) string {
	n, size := 0, int64(0)
	for _, x := range all {
		n, size = n+x.Layers, size+x.Size
	}
	if n == 0 {
		return "none"
	}
	return fmt.Sprintf("%d (%s)", n, bytesize.Format(size))
}

func newStepsView(all []LayerChange) stepsView {
	v := stepsView{More: max(len(all)-mostSteps, 0)}
	for _, x := range all[:min(len(all), mostSteps)] {
		v.Rows = append(v.Rows, stepName{Stage: clean(x.Stage), Text: clean(x.Kind + " " + x.Text), Size: bytesize.Format(x.Size)})
	}
	return v
}
