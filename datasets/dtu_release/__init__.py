"""Opens the MATLAB files of Fuglsang et al. as Zenodo has them (DOI 10.5281/zenodo.1199011): raw, or preprocessed."""
