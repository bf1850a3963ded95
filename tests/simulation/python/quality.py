"""Prepares the speech that quality is judged by, and judges it (ITU-T P.862, P.862.2).

    quality.py speech FOLDER    writes FOLDER/<passage>.wav: mono, 48 kHz, 16 bit, at -26 dBov
    quality.py score            reads one JSON object per line: name, mode ("wb" or "nb"), ideal,
                                heard; writes one per line: name, score
"""

import json
import multiprocessing
import os
import sys
import wave

import numpy

# Two passages of Sense and Sensibility, read for LibriVox and in the public domain; they come with
# Debian's pocketsphinx-testdata, at 16 kHz.
RECORDINGS = "/usr/share/pocketsphinx/test/data/librivox/sense_and_sensibility_01_austen_64kb-%s.wav"
PASSAGES = {"one": ("0870", "0880"), "two": ("0890", "0920")}

ACTIVE_DBOV = -26.0


def main():
    if sys.argv[1] == "speech":
        for name, parts in PASSAGES.items():
            write_passage(os.path.join(sys.argv[2], name + ".wav"), parts)
    elif sys.argv[1] == "score":
        tasks = [json.loads(line) for line in sys.stdin if line.strip()]
        with multiprocessing.Pool(2) as pool:
            for name, score in pool.imap(judge, tasks, chunksize=2):
                print(json.dumps({"name": name, "score": score}))
    else:
        sys.exit(__doc__)


def write_passage(path, parts):
    samples = numpy.concatenate([at_rate(RECORDINGS % part, 48_000) for part in parts])
    samples *= 10 ** (ACTIVE_DBOV / 20) / active_rms(samples)
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes((samples * 32_768).clip(-32_768, 32_767).astype("<i2").tobytes())


def judge(task):
    from pesq import NoUtterancesError, pesq

    rate = 16_000 if task["mode"] == "wb" else 8_000
    ideal, heard = (at_rate(task[which], rate) for which in ("ideal", "heard"))
    try:
        return task["name"], pesq(rate, ideal, heard, task["mode"])
    except NoUtterancesError:
        return task["name"], 0.0


def at_rate(path, rate):
    with wave.open(path) as file:
        samples = numpy.frombuffer(file.readframes(file.getnframes()), "<i2")
        return resampled(samples / 32_768, file.getframerate(), rate)


def resampled(samples, rate, wanted):
    """Through the spectrum of all of it at once, so that nothing is added but what is left out."""
    if rate == wanted:
        return samples.copy()
    count = len(samples) * wanted // rate
    spectrum = numpy.fft.rfft(samples)
    kept = numpy.zeros(count // 2 + 1, complex)
    both = min(len(spectrum), len(kept))
    kept[:both] = spectrum[:both]
    return numpy.fft.irfft(kept, count) * (count / len(samples))


def active_rms(samples):
    frames = samples[: len(samples) // 960 * 960].reshape(-1, 960)
    energies = (frames**2).mean(axis=1)
    return numpy.sqrt(energies[energies > energies.max() * 10**-2.5].mean())


if __name__ == "__main__":
    main()
