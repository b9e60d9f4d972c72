from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from digits_app.task import Net, load_data, test, train

app = ClientApp()


def pulled(msg, context):
    net = Net()
    net.load_state_dict(msg.content["arrays"].to_torch_state_dict())
    node, batch_size = context.node_config, context.run_config["batch-size"]
    return net, load_data(node["partition-id"], node["num-partitions"], batch_size)


@app.train()
def train_fn(msg, context):
    net, (loader, _) = pulled(msg, context)
    loss = train(net, loader, context.run_config["local-epochs"], msg.content["config"]["lr"])
    figures = MetricRecord({"train_loss": loss, "num-examples": len(loader.dataset)})
    content = RecordDict({"arrays": ArrayRecord(net.state_dict()), "metrics": figures})
    return Message(content, reply_to=msg)


@app.evaluate()
def evaluate_fn(msg, context):
    net, (_, loader) = pulled(msg, context)
    loss, accuracy = test(net, loader)
    figures = {"eval_loss": loss, "eval_acc": accuracy, "num-examples": len(loader.dataset)}
    return Message(RecordDict({"metrics": MetricRecord(figures)}), reply_to=msg)
