package main

import (
	"bytes"
	"encoding/json"
	"slices"

	sdk "github.com/kubewarden/policy-sdk-go"
)

const defaultAnnotation = "org.opencontainers.image.licenses"

// Settings say which licences are allowed, and the annotation that names an image's licence.
type Settings struct {
	Allowed    []string `json:"allowed"`
	Annotation *string  `json:"annotation"`
}

func parseSettings(document []byte) (Settings, error) {
	var settings Settings
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&settings)
	return settings, err
}

func validateSettings(input []byte) ([]byte, error) {
	settings, err := parseSettings(input)
	if err != nil {
		return sdk.RejectSettings(sdk.Message("Settings cannot be read: " + err.Error()))
	}
	if len(settings.Allowed) == 0 {
		return sdk.RejectSettings("allowed must name at least one licence")
	}
	return sdk.AcceptSettings()
}

func (s Settings) allows(licence string) bool {
	return slices.Contains(s.Allowed, licence)
}

// licence is the one that the annotations name, or empty.
func (s Settings) licence(annotations map[string]string) string {
	if s.Annotation != nil {
		return annotations[*s.Annotation]
	}
	return annotations[defaultAnnotation]
}
