using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Resources.Pods;

namespace Plimsoll.Kubernetes.Tests.Resources.Pods;

public sealed class ServedModelTests
{
    private static V1PodSpec Spec(string yaml) => KubernetesYaml.Deserialize<V1PodSpec>(yaml);

    private static ServedModel Read(string yaml, int pods = 1) => ServedModel.Of(Spec(yaml), podsPerReplica: pods);

    private static ServedModel Container(string yaml) => Read($"containers:\n- name: server\n  {yaml.ReplaceLineEndings("\n").Replace("\n", "\n  ", StringComparison.Ordinal)}\n");

    [Fact]
    public void A_vllm_Deployment_tells_all_that_is_weighed_by()
    {
        var model = Container("""
            image: vllm/vllm-openai:v0.19.1
            command: [vllm, serve, meta-llama/Llama-3.1-70B-Instruct]
            args: [--revision, main-2, --tensor-parallel-size, "4", -pp=2, --dtype, half, --quantization, fp8, --kv-cache-dtype=fp8_e4m3, --max-model-len, 32k,
                   --max_num_seqs, "64", --gpu-memory-utilization, "0.85", --served-model-name, llama, --port, "8200", --enforce-eager, --max-num-batched-tokens, 8K]
            resources: {limits: {nvidia.com/gpu: 8, cpu: 16, memory: 200Gi, ephemeral-storage: 300Gi}, requests: {cpu: 12500m}}
            """);
        Assert.Equal("vllm", model.Server);
        Assert.Equal(new Version(0, 19, 1), model.Engine!.Version);
        Assert.Equal("hf://meta-llama/Llama-3.1-70B-Instruct@main-2", model.Source);
        Assert.Equal("llama", model.ServedName);
        Assert.Equal((4, 2, 1, 1), (model.TensorParallel, model.PipelineParallel, model.ExpertParallel, model.DataParallel));
        Assert.Equal(("float16", "fp8", "fp8_e4m3"), (model.Dtype, model.Quantization, model.KvDtype));
        Assert.Equal((32_000, 64, 8192), (model.Context, model.MaxSequences, model.MaxBatchedTokens));
        Assert.Equal(0.85, model.MemoryFraction);
        Assert.False(model.Graphs);
        Assert.Equal((8200, 8200), (model.Port, model.MetricsPort));
        Assert.Equal(("nvidia.com/gpu", 8), (model.DeviceResource, model.Devices));
        Assert.Equal((12_500, 214_748_364_800, 322_122_547_200), (model.Requests.CpuMilli, model.Requests.MemoryBytes, model.Requests.EphemeralStorageBytes));
        Assert.Empty(model.Notes);
    }

    [Theory]
    [InlineData("image: vllm/vllm-openai:latest\nargs: [--model, org/name]", "vllm", "hf://org/name")]
    [InlineData("image: vllm/vllm-openai:latest\nargs: [org/name, --trust-remote-code]", "vllm", "hf://org/name")]
    [InlineData("image: vllm/vllm-openai:latest\nargs: [serve, --trust-remote-code, org/name]", "vllm", "hf://org/name")]
    [InlineData("image: x\ncommand: [python3, -m, vllm.entrypoints.openai.api_server]\nargs: [--served-model-name, a, b, --model=org/name]", "vllm", "hf://org/name")]
    [InlineData("image: x\ncommand: [/bin/bash, -lc]\nargs: [\"source /venv/bin/activate && exec vllm serve org/name\"]", "vllm", "hf://org/name")]
    [InlineData("image: x\ncommand: [tini, --, sh, -c, 'vllm serve $MODEL']\nenv: [{name: MODEL, value: org/name}]", "vllm", "hf://org/name")]
    [InlineData("image: x\ncommand: [vllm, serve, $(MODEL)]\nenv: [{name: ORG, value: org}, {name: MODEL, value: $(ORG)/name}]", "vllm", "hf://org/name")]
    [InlineData("image: x\ncommand: [vllm, serve, 's3://models/llama', --load-format, runai_streamer]", "vllm", "s3://models/llama")]
    [InlineData("image: kserve/huggingfaceserver:latest-gpu\nargs: [--model_name=llama, --model_id=org/name, --model_revision=v1]", "vllm", "hf://org/name@v1")]
    [InlineData("image: lmsysorg/sglang:v0.5.3\ncommand: [python3, -m, sglang.launch_server, --model-path, org/name, --enable-metrics]", "sglang", "hf://org/name")]
    [InlineData("image: x\ncommand: [sglang, serve, --model-path, org/name, --enable-metrics]", "sglang", "hf://org/name")]
    [InlineData("image: ghcr.io/huggingface/text-generation-inference:3.3.4\nargs: [--model-id, org/name, --revision, refs/pr/2]", "tgi", "hf://org/name@refs%2Fpr%2F2")]
    [InlineData("image: ghcr.io/huggingface/text-generation-inference:3.3.4\nenv: [{name: MODEL_ID, value: org/name}, {name: REVISION, value: v2}]", "tgi", "hf://org/name@v2")]
    [InlineData("image: x\ncommand: [tritonserver, --model-repository=gs://bucket/repository]", "triton", "gs://bucket/repository")]
    [InlineData("image: x\ncommand: [llama-server, -hf, org/name, -hff, model-q4.gguf, --metrics]", "llama-server", "hf://org/name/model-q4.gguf")]
    [InlineData("image: ghcr.io/ggml-org/llama.cpp:server-cuda\nenv: [{name: LLAMA_ARG_MODEL_URL, value: https://example.org/m.gguf}, {name: LLAMA_ARG_ENDPOINT_METRICS, value: '1'}]", "llama-server", "https://example.org/m.gguf")]
    [InlineData("image: custom\nenv: [{name: STORAGE_URI, value: s3://bucket/key}]", null, "s3://bucket/key")]
    public void Each_server_is_known_by_its_command_or_image(string container, string? server, string source)
    {
        var model = Container(container);
        Assert.Equal(server, model.Server);
        Assert.Equal(source, model.Source);
        Assert.Empty(model.Notes);
    }

    [Theory]
    [InlineData("image: x\ncommand: [vllm, serve, $(MODEL)]\nenv: [{name: MODEL, valueFrom: {secretKeyRef: {name: s, key: k}}}]", "the model's name is $(MODEL), whose variables are not in the pod's spec; spec.source would say where it is")]
    [InlineData("image: x\ncommand: [vllm, serve, gpt2]", "the model is \"gpt2\", which is no address, no path and no ORGANISATION/NAME; spec.source would say where it is")]
    [InlineData("image: x\ncommand: [vllm, serve, /models/a]", "the model's path /models/a is in the image, which is not read; spec.source would say where it is")]
    [InlineData("image: x\ncommand: [vllm, serve, 'as://account/container']", "the model comes from as://…, which is not read; spec.source would say where it is")]
    [InlineData("image: x\ncommand: [vllm, serve, org/name]\nenv: [{name: VLLM_USE_MODELSCOPE, value: 'True'}]", "the model comes from ModelScope, which is not read; spec.source would say where else it is")]
    [InlineData("image: x\ncommand: [vllm, serve, org/name, --tensor-parallel-size, '2']\nresources: {limits: {nvidia.com/gpu: 4}}", "the server is split over 2 devices, and the pod asks for 4; the two should be equal")]
    [InlineData("image: x\ncommand: [vllm, serve, org/name, -tp, many]", "--tensor-parallel-size is \"many\", which is no number from 1 to 4096; 1 is taken")]
    [InlineData("image: x\ncommand: [vllm, serve, org/name, --config, /etc/vllm.yaml]", "the server reads more options from a file (--config), which is not seen here")]
    [InlineData("image: x\ncommand: [sglang, serve, --model-path, org/name]", "SGLang tells nothing of its work without --enable-metrics")]
    [InlineData("image: x\ncommand: [llama-server, -hf, 'org/name:Q8_0', --metrics]", "hf://org/name may hold several files, and llama-server takes Q8_0; spec.source with hf://org/name/FILE.gguf would say which")]
    [InlineData("image: nginx\nports: [{containerPort: 80}]", "the container server runs no server that is known; spec.source and spec.metrics would say what it serves and where it tells of it")]
    [InlineData("image: vllm/vllm-openai:latest", "vllm is started without a model's name; spec.source would say where it is")]
    public void What_cannot_be_derived_is_named_in_one_sentence(string container, string note) => Assert.Equal(note, Assert.Single(Container(container).Notes));

    [Theory]
    [InlineData("persistentVolumeClaim: {claimName: weights}", "", "/models/llama/8b", "pvc://weights/llama/8b")]
    [InlineData("persistentVolumeClaim: {claimName: weights}", "subPath: team/a", "/models", "pvc://weights/team/a")]
    [InlineData("persistentVolumeClaim: {claimName: hub}", "", "/models/hub/models--org--my--name/snapshots/0123456789abcdef0123456789abcdef01234567", "hf://org/my--name@0123456789abcdef0123456789abcdef01234567")]
    [InlineData("hostPath: {path: /data}", "", "/models/a", null)]
    [InlineData("emptyDir: {}", "", "/models/a", null)]
    [InlineData("persistentVolumeClaim: {claimName: weights}", "", "/models/../etc", null)]
    public void A_path_is_followed_through_its_volume(string volume, string subPath, string path, string? source)
    {
        var model = Read($$$$"""
            containers:
            - name: server
              image: x
              command: [vllm, serve, {{{{path}}}}]
              volumeMounts:
              - {name: other, mountPath: /mod}
              - {name: models, mountPath: /models/{{{{(subPath.Length > 0 ? ", " + subPath : "")}}}}}
            volumes:
            - name: models
              {{{{volume}}}}
            """);
        Assert.Equal(source, model.Source);
        if (source is null) Assert.Contains("spec.source", Assert.Single(model.Notes), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[aws, s3, sync, 's3://models/llama/', /models]", "s3://models/llama/")]
    [InlineData("[sh, -c, 'pip install x && hf download org/name --revision v3 --local-dir /models']", "hf://org/name@v3")]
    [InlineData("[sh, -c, 'aws s3 cp s3://models/aaa /models; aws s3 cp s3://models/bbb /models']", null)]
    public void What_an_init_container_fetches_is_the_source_when_it_is_one_thing(string command, string? source)
    {
        var model = Read($$$$"""
            initContainers:
            - {name: fetch, image: x, command: {{{{command}}}}}
            containers:
            - {name: server, image: x, command: [vllm, serve, /models], volumeMounts: [{name: models, mountPath: /models}]}
            volumes:
            - {name: models, emptyDir: {}}
            """);
        Assert.Equal(source, model.Source);
        Assert.Single(model.Notes);
    }

    [Fact]
    public void KServes_storage_initializer_tells_what_lies_in_its_folder()
    {
        var pod = Spec("""
            containers:
            - {name: kserve-container, image: "kserve/huggingfaceserver:v0.15", args: [--model_name=llama, --max_model_len=8192]}
            """);
        Assert.Equal("s3://models/llama", ServedModel.Of(pod, new Dictionary<string, string> { ["internal.serving.kserve.io/storage-initializer-sourceuri"] = "s3://models/llama" }).Source);
        pod.InitContainers = [new V1Container { Name = "storage-initializer", Args = ["pvc://weights/llama", "/mnt/models"] }];
        var injected = ServedModel.Of(pod);
        Assert.Equal("pvc://weights/llama", injected.Source);
        Assert.Equal(8192, injected.Context);
        Assert.Equal(8080, injected.MetricsPort);
    }

    [Fact]
    public void A_LeaderWorkerSets_script_is_read_and_its_workers_count()
    {
        var leader = Spec("""
            containers:
            - name: leader
              image: docker.io/vllm/vllm-openai:v0.10.2
              command: [sh, -c, "bash /vllm-workspace/multi-node-serving.sh leader --ray_cluster_size=$(LWS_GROUP_SIZE);
                python3 -m vllm.entrypoints.openai.api_server --port 8080 --model meta-llama/Meta-Llama-3.1-405B-Instruct --tensor-parallel-size 8 --pipeline_parallel_size 2"]
              resources: {limits: {nvidia.com/gpu: "8", memory: 1124Gi}}
            """);
        var worker = Spec("containers: [{name: worker, image: x, command: [sh, -c, ray start], resources: {limits: {nvidia.com/gpu: 8, memory: 1000Gi}}}]");
        var model = ServedModel.Of(leader, podsPerReplica: 2, worker: worker);
        Assert.Equal("hf://meta-llama/Meta-Llama-3.1-405B-Instruct", model.Source);
        Assert.Equal((8, 2, 16L, 2), (model.TensorParallel, model.PipelineParallel, model.Devices, model.PodsPerReplica));
        Assert.Equal(1_073_741_824_000, model.WorkerRequests!.MemoryBytes);
        Assert.Equal(8080, model.Port);
        Assert.Empty(model.Notes);
    }

    [Fact]
    public void Experts_and_copies_are_counted_as_each_engine_does()
    {
        var vllm = Container("image: x\ncommand: [vllm, serve, org/name, -tp, '2', -dp, '4', --enable-expert-parallel]\nresources: {limits: {nvidia.com/gpu: 8}}");
        Assert.Equal((2, 4, 8), (vllm.TensorParallel, vllm.DataParallel, vllm.ExpertParallel));
        var sglang = Container("image: x\ncommand: [sglang, serve, --model-path, org/name, --tp, '8', --dp, '8', --enable-dp-attention, --ep, '8', --enable-metrics]\nresources: {limits: {nvidia.com/gpu: 8}}");
        Assert.Equal((8, 1, 8), (sglang.TensorParallel, sglang.DataParallel, sglang.ExpertParallel));
        Assert.Empty(vllm.Notes.AddRange(sglang.Notes));
        var tgi = Container("image: ghcr.io/huggingface/text-generation-inference:3.3.4\nargs: [--model-id, org/name]\nresources: {limits: {nvidia.com/gpu: 4}}");
        Assert.Equal(4, tgi.TensorParallel);
    }

    [Theory]
    [InlineData("-dp, '8', --data-parallel-rank, '0'", 1)]
    [InlineData("--data-parallel-size, '8', -dpn, '3'", 1)]
    [InlineData("-dp, '8', --data-parallel-size-local, '2', --data-parallel-start-rank, '4'", 2)]
    [InlineData("-dp, '8', -dpl, '2'", 2)]
    [InlineData("-dp, '8'", 8)]
    public void Of_data_parallel_ranks_in_pods_of_their_own_a_pod_has_its_own(string arguments, int ranks)
    {
        var text = $"image: x\ncommand: [vllm, serve, org/name, -tp, '2', {arguments}]\nresources: {{limits: {{nvidia.com/gpu: {2 * ranks}}}}}";
        var model = Container(text);
        Assert.Equal((2, ranks, 2L * ranks), (model.TensorParallel, model.DataParallel, model.Devices));
        Assert.Empty(model.Notes);

        // A group's ranks are all its.
        Assert.Equal(8, ServedModel.Of(Spec($"containers:\n- name: server\n  {text.Replace("\n", "\n  ", StringComparison.Ordinal)}"), podsPerReplica: 4).DataParallel);
    }

    [Fact]
    public void Llama_servers_context_is_shared_out_among_its_slots()
    {
        var model = Container("image: x\ncommand: [llama-server, -m, 'https://example.org/m.gguf', -c, '65536', -np, '8', -ctk, q8_0, --metrics]");
        Assert.Equal((8192, 8), (model.Context, model.MaxSequences));
        Assert.Equal("q8_0", model.VariantOn(DeviceCatalogue.BuiltIn.Find("l4-24gb")!).KvDtype);
    }

    [Fact]
    public void Slices_are_devices_too_and_a_sidecar_asks_beside_the_server()
    {
        var model = Read("""
            initContainers:
            - {name: pull, image: x, resources: {requests: {memory: 40Gi, cpu: 1}}}
            - {name: proxy, image: x, restartPolicy: Always, resources: {requests: {memory: 1Gi, cpu: 200m}}}
            containers:
            - {name: agent, image: x, resources: {requests: {cpu: 100m, memory: 1Gi}}}
            - {name: server, image: x, command: [vllm, serve, org/name], resources: {limits: {nvidia.com/mig-3g.20gb: 1, memory: 16Gi}}}
            overhead: {memory: 128Mi}
            """);
        Assert.Equal("server", model.Container);
        Assert.Equal(("nvidia.com/mig-3g.20gb", 1L), (model.DeviceResource, model.Devices));
        // 40 GiB while pulling are more than 1 + 1 + 16 while serving.
        Assert.Equal((40L << 30) + (128L << 20), model.Requests.MemoryBytes);
        Assert.Equal(1000, model.Requests.CpuMilli);
    }

    [Fact]
    public void A_pod_without_sense_is_read_without_harm()
    {
        Assert.Single(ServedModel.Of(new V1PodSpec()).Notes);
        var odd = new V1PodSpec
        {
            Containers = [null!, new V1Container { Name = "a", Command = [null!, "vllm", "serve"], Env = [null!, new V1EnvVar { Name = "A", Value = "$(A)$(B)$" }], VolumeMounts = [null!], Resources = new() }],
            InitContainers = [null!],
            Volumes = [null!],
        };
        Assert.NotEmpty(ServedModel.Of(odd, podsPerReplica: -3).Notes);
    }
}
