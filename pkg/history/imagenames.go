// SPDX-License-Identifier: MPL-2.0

package history

import "strings"

// imagePrefix is what the names of all stages' images have.
const imagePrefix = "localhost/carosbuild/"

// ImageName is the name of a stage's image in the store.
func ImageName(buildID, stage string) string {
	return imagePrefix + buildID + ":" + stage
}

// FailureName is the name of the image of a half-done stage.
func FailureName(buildID, stage string) string { return ImageName(buildID, stage) + failureSuffix }

// ParseImageName is the build and the stage that an image of the store is named
// after, and whether it is that stage's result, its start or its failure; the status
// is "" for another name.
func ParseImageName(name string) (buildID, stage string, status Status) {
	rest, ok := strings.CutPrefix(name, imagePrefix)
	id, stage, tagged := strings.Cut(rest, ":")
	if !ok || !tagged || !isBuildID(id) {
		return "", "", ""
	}
	status = statusOf(stage)
	switch status {
	case Failed:
		stage = strings.TrimSuffix(stage, failureSuffix)
	case Start:
		stage = strings.TrimSuffix(stage, startSuffix)
	}
	return id, stage, status
}
