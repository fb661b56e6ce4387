# The command line on a CPU. For a GPU, install torch from its usual index in place of PyTorch's CPU index.
FROM python:3.11-slim-bookworm
ARG INDEX="--extra-index-url https://download.pytorch.org/whl/cpu"
WORKDIR /bench
COPY pyproject.toml constraints.txt README.md CITATION.cff LICENSE src/
COPY disent_bench src/disent_bench
COPY datasets src/datasets
COPY metrics src/metrics
COPY experiments/protocols src/experiments/protocols
COPY experiments/studies src/experiments/studies
COPY experiments/results src/experiments/results
COPY examples src/examples
RUN pip install --no-cache-dir $INDEX -c src/constraints.txt ./src && rm -r src
ENV DISENT_DATA=/bench/data OMP_WAIT_POLICY=passive
ENTRYPOINT ["disent-bench"]
CMD ["--help"]
