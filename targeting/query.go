package targeting

// Contextual is what a request may be matched by when it is not personal: under
// 18, age unknown, or no permission (I10). It has no field for anything else.
// Zero values are unknown. The index does not retain slices.
type Contextual struct {
	Placement Placement
	Country   Country
	Region    Region
	Language  Language
	OS        OS
	Age       Band     // only ever a band
	Tags      []Tag    // of the content shown, not of the user
	HalfHour  []uint16 // by Rule.Zone: half-hour of the local week, 0..335
}

// Personal is what a request may be matched by with the user's permission.
type Personal struct {
	Contextual
	City      City
	OSVersion Version
	Gender    Gender
	Interests []Interest
	Segments  []Segment
}
