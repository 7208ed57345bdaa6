"""Opens SparrKULee (DOI 10.48804/K3VSND): listeners to Dutch stories, as recorded or as its authors preprocessed it."""
