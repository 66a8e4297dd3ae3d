"""The variables by name."""

from research.transfer.variables.base import Variable
from research.transfer.variables.pca import PcaVariable
from research.transfer.variables.raw_spectrogram import RawSpectrogramVariable
from research.transfer.variables.spectrogram import SpectrogramVariable
from research.transfer.variables.waveform import WaveformVariable

VARIABLES: dict[str, type[Variable]] = {
    variable.name: variable
    for variable in (
        WaveformVariable,
        SpectrogramVariable,
        RawSpectrogramVariable,
        PcaVariable,
    )
}
